/** Erasing an account while its jobs run and its events arrive. */
import { auditPage } from '@tally/billing';
import { minId } from '@tally/core';
import { type Person, testPassword, until } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';
import { continueErasures } from '../src/maintenance/forget.ts';

const { api, call, newPerson, sandbox } = await startPlatform();
const { db, billing, log, queues } = api.services;
// Housekeeping runs erasures once a minute; these tests call them directly.
await queues.maintenance.pause();

const erase = ({ token }: Person) => call('POST', '/api/accounts/erase', { token, body: { password: testPassword } });
const slowModel = (delayMs: number) => {
  sandbox.settings.current = { ...sandbox.settings.current, delay_ms: delayMs };
};
const readJobs = async ({ accountId }: Person) => {
  const { rows } = await db.pool.query<{ status: string; input: unknown; result: unknown }>(
    'select status, input, result from jobs where account_id = $1 order by id',
    [accountId],
  );
  return rows;
};
const count = async (table: string, { accountId }: Person) =>
  (await db.pool.query(`select from ${table} where account_id = $1`, [accountId])).rowCount;

describe('account erased while its jobs run', () => {
  it('loses what the jobs wrote, but keeps their usage log', async () => {
    const person = await newPerson({ tokens: 50_000 });
    slowModel(1_500);
    const input = { text: 'The Aurora lamp costs 129 EUR and has a guarantee of 5 years.', count: 2 };
    const submitted = await call('POST', '/api/web-knowledge/generate-qa', { token: person.token, body: input });
    expect(submitted.status).toBe(202);
    await until(() => sandbox.book.totals(person.accountId).requests === 1);
    expect((await erase(person)).status).toBe(202);
    expect(await readJobs(person)).toMatchObject([{ status: 'running', input }]);
    await until(async () => (await readJobs(person))[0]?.status !== 'running');
    slowModel(0);
    // The running job paid for its call and completed, and so wrote rows after the erasure.
    expect(await readJobs(person)).toMatchObject([{ status: 'completed', input }]);
    expect(await count('qa_pairs', person)).toBeGreaterThan(0);

    await continueErasures({ db, log });
    expect(await readJobs(person)).toEqual([{ status: 'completed', input: null, result: null }]);
    for (const table of ['qa_pairs', 'passages']) expect(await count(table, person)).toBe(0);
    expect(await count('ai_usage_log', person)).toBe(1);
    expect((await auditPage(billing, { afterId: minId, limit: 100 })).findings).toEqual([]);
  });

  it('pays for no further call', async () => {
    const person = await newPerson({ tokens: 50_000 });
    sandbox.faults.set([{ kind: 'rate_limit', retry_after_ms: 500, match: { user: person.accountId }, times: 1 }]);
    const body = { question: 'Anything at all?' };
    expect((await call('POST', '/api/ai/ask-question', { token: person.token, body })).status).toBe(202);
    await until(() => sandbox.book.totals(person.accountId).requests === 1);
    await until(async () => (await readJobs(person))[0]?.status === 'queued');
    expect(await erase(person)).toMatchObject({ status: 202, body: { jobs_cancelled: 1 } });
    const queue = queues.byTask.get('ask-question');
    await until(async () => (await queue?.getJobCountByTypes('delayed', 'wait', 'active')) === 0);
    expect(sandbox.book.totals(person.accountId).requests).toBe(1);
    expect(await readJobs(person)).toMatchObject([{ status: 'cancelled' }]);
  });
});

describe('Instagram account of an erased tenant', () => {
  const igUserId = '17841400000004711';
  const connect = ({ token }: Person) =>
    call('POST', '/api/instagram/accounts', {
      token,
      body: { ig_user_id: igUserId, username: 'lamps', access_token: 'token' },
    });
  const comment = (id: string) =>
    sandbox.instagram.fire({ kind: 'comment', ig_user_id: igUserId, comment_id: id, text: 'Price?' } as never);
  const readEvent = async (id: string) => {
    const { rows } = await db.pool.query(
      'select account_id, person_id, payload, outcome, job_id from webhook_events where external_id = $1',
      [id],
    );
    return rows;
  };

  it('gets events without owner, person, text or job', async () => {
    const person = await newPerson({ tokens: 50_000 });
    expect((await connect(person)).status).toBe(201);
    await comment('17870000000000001');
    expect(await readEvent('17870000000000001')).toMatchObject([{ account_id: person.accountId }]);
    expect((await erase(person)).status).toBe(202);
    expect(await readEvent('17870000000000001')).toEqual([]);
    expect(await comment('17870000000000002')).toMatchObject({ status: 200 });
    const withoutOwner = { account_id: null, person_id: null, payload: null, job_id: null };
    expect(await readEvent('17870000000000002')).toEqual([{ ...withoutOwner, outcome: expect.any(String) }]);
    expect((await connect(await newPerson())).status).toBe(201);
  });
});
