/** Billed steps of jobs that don't complete: their results are kept, and a retry doesn't bill them again. */
import { type Job, until } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';

const { api, call, newPerson, poll, run, sandbox, submit } = await startPlatform();
const operator = await newPerson({ role: 'operator' });

type Pairs = {
  pairs: { id: string; question: string; answer: string }[];
  dropped: number;
  characters: number;
  characters_read: number;
};
const path = '/api/web-knowledge/generate-qa';

/** Lamps with distinct prices: about 100,000 characters in 13 chunks, with a last sentence to match on. */
const lamps = Array.from(
  { length: 1_800 },
  (_, i) => `The Aurora lamp ${i} costs ${100 + i} EUR. Its guarantee is 5 years.\n`,
);
const longText = `${lamps.join('').slice(0, 60_000)}\nReturns are taken back within thirty days.`;

const grant = (email: string, tokens: number) =>
  call('POST', '/api/admin/grants', { token: operator.token, body: { email, tokens, reason: 'Top-up' } });
const retry = (token: string, jobId: string, headers = {}) =>
  call<{ job_id: string; job?: Job; error_code?: string }>('POST', `/api/jobs/${jobId}/retry`, { token, headers });
const storedPairs = async (token: string) =>
  (await call<{ qa: object[] }>('GET', '/api/qa?limit=100', { token })).body.qa.length;
const callsOf = (user: string) => sandbox.book.list({ user }).length;

describe('a job with several model calls', () => {
  it('that runs out of tokens keeps paid results, resumes on top-up', async () => {
    const { accountId, email, token } = await newPerson({ tokens: 12_000 });
    const first = await run<Pairs>(token, path, { text: longText, count: 30 });
    expect(first).toMatchObject({ status: 'rejected', error_code: 'no_tokens_remaining' });
    expect(first.error).toMatch(/^This needs at least \d+ tokens, and \d+ are left in the subscription$/);
    const kept = first.result?.pairs ?? [];
    expect(kept.length).toBeGreaterThan(0);
    expect(await storedPairs(token)).toBe(kept.length);
    expect(first.result?.characters_read).toBeGreaterThan(20_000);
    expect(first.result?.characters_read).toBeLessThan(longText.length);

    expect(await retry(token, first.id)).toMatchObject({ status: 202 });
    expect(await poll(token, first.id)).toMatchObject({ status: 'rejected', tokens_consumed: first.tokens_consumed });

    await grant(email, 40_000);
    const before = callsOf(accountId);
    expect(await retry(token, first.id)).toMatchObject({ status: 202, body: { job_id: first.id, status: 'queued' } });
    const second = await poll<Pairs>(token, first.id);
    expect(second.status).toBe('completed');
    expect(second.result?.pairs.slice(0, kept.length)).toEqual(kept);
    expect(second.result).toMatchObject({ characters: longText.length, characters_read: longText.length });
    expect(await storedPairs(token)).toBe(second.result?.pairs.length);
    // Every call was made once, and all of them are billed.
    expect(callsOf(accountId)).toBeLessThanOrEqual(9);
    expect(callsOf(accountId) - before).toBeLessThan(callsOf(accountId));
    expect(second.tokens_consumed).toBe(sandbox.book.totals(accountId).total_tokens);
  });

  it('whose last call is refused has the results of the others', async () => {
    const { accountId, token } = await newPerson({ tokens: 100_000 });
    sandbox.faults.set([{ kind: 'refusal', match: { user: accountId, contains: 'Returns are taken back' } }]);
    onTestFinished(() => sandbox.faults.clear());
    const job = await run<Pairs>(token, path, { text: longText, count: 30 });
    expect(job).toMatchObject({ status: 'failed', error_code: 'model_refused' });
    expect(job.result?.pairs.length).toBeGreaterThan(0);
    expect(job.result?.characters_read).toBeGreaterThan(50_000);
    expect(await storedPairs(token)).toBe(job.result?.pairs.length);
  });

  it('that is cancelled has the results of its answered calls', async () => {
    const { accountId, token } = await newPerson({ tokens: 100_000 });
    sandbox.faults.set([{ kind: 'hang', match: { user: accountId, contains: 'Returns are taken back' } }]);
    onTestFinished(() => sandbox.faults.clear());
    const { body } = await call<{ job_id: string }>('POST', path, { token, body: { text: longText, count: 30 } });
    await until(() => callsOf(accountId) === 8);
    await call('DELETE', `/api/jobs/${body.job_id}`, { token });
    const job = await poll<Pairs>(token, body.job_id);
    expect(job.status).toBe('cancelled');
    expect(job.result?.pairs.length).toBe(await storedPairs(token));
  });
});

describe('a long text', () => {
  it.each([1, 3, 30])('is read to its end for %i pairs, which cover all of it', async (count) => {
    const { accountId, token } = await newPerson({ tokens: 200_000 });
    const text = `${lamps.join('').slice(0, 95_000)}\nReturns are taken back within thirty days, says the last line.`;
    const job = await run<Pairs>(token, path, { text, count });
    expect(job.result).toMatchObject({ characters: text.length, characters_read: text.length });
    expect(job.result?.pairs.length).toBeGreaterThan(0);
    expect(job.result?.pairs.length).toBeLessThanOrEqual(count);
    expect(callsOf(accountId)).toBeGreaterThanOrEqual(12);
    const ids = job.result?.pairs.map(({ id }) => id) ?? [];
    expect(new Set(ids).size).toBe(ids.length);
    expect(await storedPairs(token)).toBe(ids.length);
    const { rows } = await api.services.db.pool.query<{ step: string }>(
      'select step from ai_usage_log where account_id = $1 and billed_tokens > 0',
      [accountId],
    );
    expect(rows).toHaveLength(callsOf(accountId));
  });
});

describe('a retry', () => {
  it('is allowed for the account’s own failed and rejected jobs', async () => {
    const { accountId, token } = await newPerson({ tokens: 10_000 });
    const other = await newPerson({ tokens: 10_000 });
    const done = await poll(token, await submit(token, 'Is it done?'));
    expect(await retry(token, done.id)).toMatchObject({ status: 409, body: { error_code: 'conflict' } });
    sandbox.faults.set([{ kind: 'refusal', match: { user: accountId }, times: 1 }]);
    onTestFinished(() => sandbox.faults.clear());
    const failed = await poll(token, await submit(token, 'Is it refused?'));
    expect(failed).toMatchObject({ status: 'failed', error_code: 'model_refused' });
    expect(await retry(other.token, failed.id)).toMatchObject({ status: 404 });
    expect(await retry(token, failed.id, { prefer: 'wait=20' })).toMatchObject({ status: 200 });
    const { db } = api.services;
    await db.pool.query(`update jobs set input = null where id = $1`, [failed.id]);
    expect(await retry(token, failed.id)).toMatchObject({ status: 409, body: { error_code: 'conflict' } });
  });

  it('returns 402 while the account has no tokens', async () => {
    const { accountId, email, token } = await newPerson({ tokens: 5_000 });
    sandbox.faults.set([{ kind: 'refusal', match: { user: accountId }, times: 1 }]);
    onTestFinished(() => sandbox.faults.clear());
    const job = await poll(token, await submit(token, 'Is it refused?'));
    expect(job.status).toBe('failed');
    await grant(email, job.tokens_consumed - 5_000);
    expect(await retry(token, job.id)).toMatchObject({ status: 402, body: { error_code: 'no_tokens_remaining' } });
  });
});
