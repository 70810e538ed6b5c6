/** Limits of workflows and keywords per account: every comment is matched against all of them. */
import { startPlatform } from '@tally/testing/vitest';
import { expect, it } from 'vitest';
import { limits } from '../src/limits.ts';

const { call, newPerson } = await startPlatform({ worker: false });
const tooMany = { status: 409, body: { error_code: 'conflict' } };

it('allows 100 workflows per account, also concurrently', async () => {
  const { token } = await newPerson();
  const make = (_: unknown, i: number) =>
    call('POST', '/api/workflows', { token, body: { ig_user_id: '17841400000000001', name: `w${i}` } });
  const all = await Promise.all(Array.from({ length: limits.maxWorkflows + 20 }, make));
  expect(all.filter(({ status }) => status === 201)).toHaveLength(limits.maxWorkflows);
  expect(all.find(({ status }) => status !== 201)).toMatchObject(tooMany);
});

it('limits the keyword letters of an account on create and change', async () => {
  const { token } = await newPerson();
  const keywords = (letters: number) =>
    Array.from({ length: letters / 1_000 }, (_, i) => String(i).padEnd(limits.maxKeywordCharacters, 'x')).flatMap(
      (word) => Array.from({ length: 1_000 / word.length }, (_, j) => `${j}${word}`.slice(0, word.length)),
    );
  const maxOfOne = limits.maxKeywords * limits.maxKeywordCharacters;
  const full = Math.floor(limits.maxKeywordLetters / maxOfOne);
  const make = (words: string[]) =>
    call<{ workflow: { id: string } }>('POST', '/api/workflows', {
      token,
      body: { ig_user_id: '17841400000000001', name: 'w', keywords: words },
    });
  for (let i = 0; i < full; i++) expect((await make(keywords(maxOfOne))).status).toBe(201);
  const rest = limits.maxKeywordLetters - full * maxOfOne;
  expect(await make(keywords(rest + 1_000))).toMatchObject(tooMany);
  const empty = (await make([])).body.workflow.id;
  const change = (words: string[]) => call('PATCH', `/api/workflows/${empty}`, { token, body: { keywords: words } });
  expect(await change(keywords(rest + 1_000))).toMatchObject(tooMany);
  expect((await change(keywords(rest))).status).toBe(200);
});
