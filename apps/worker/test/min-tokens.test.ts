/** The bound for refusing submissions early: never above what a job's first call reserves. */
import { minTokensOf } from '@tally/tasks';
import { startPlatform } from '@tally/testing/vitest';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { countText } from '../src/model/count.ts';

it('the bound never exceeds the tokenizer’s count', () => {
  const words = fc.array(
    fc.string({ unit: fc.constantFrom('a', 'Z', 'é', 'ا', '۴', '7', "'", '’', '\u0301', ' ', '-', '猫') }),
  );
  const texts = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary' }),
    words.map((all) => all.join(' ')),
  );
  fc.assert(
    fc.property(texts, (text) => {
      expect(minTokensOf(text)).toBeLessThanOrEqual(countText(text));
    }),
    { numRuns: 2_000 },
  );
});

const { api, call, newPerson, poll } = await startPlatform();

it.each<[string, object]>([
  ['/api/ai/ask-question', { question: 'a lamp' }],
  ['/api/web-knowledge/generate-prompt', { prompt: 'a lamp' }],
  ['/api/web-knowledge/generate-qa', { text: 'a lamp', count: 1 }],
  ['/api/chat/messages', { customer: 'anna', text: 'a lamp' }],
])('the API refuses only what the worker would refuse: %s', async (path, body) => {
  const { accountId, token } = await newPerson({ tokens: 1 });
  const { status, body: refused } = await call('POST', path, { token, body });
  expect(status).toBe(402);
  const bound = Number(/at least (\d+)/.exec(String(refused.error))?.[1]);
  const operator = await newPerson({ role: 'operator' });
  const email = (await call('GET', '/api/accounts/profile', { token })).body.email;
  const grant = { email, tokens: bound - 1, reason: 'to the bound' };
  await call('POST', '/api/admin/grants', { token: operator.token, body: grant });
  const accepted = await call('POST', path, { token, body });
  expect(accepted.status).toBe(202);
  const job = await poll(token, String(accepted.body.job_id));
  const needed = /at least (\d+)/.exec(job.error ?? '')?.[1];
  // A bound above the worker's count would refuse accounts that can pay.
  expect(job.status === 'completed' || Number(needed) >= bound).toBe(true);
  expect(Number(needed ?? bound)).toBeLessThan(bound + 30);
  const { rows } = await api.services.db.pool.query('select from token_holds where account_id = $1', [accountId]);
  expect(rows).toEqual([]);
});
