/** Cancellation of queued, running and ended jobs. */
import { newId } from '@tally/core';
import { claimJobs, settle } from '@tally/db';
import { type Job, type Person, type Platform, until } from '@tally/testing';
import { startPlatform, testLog } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startApi } from '../src/start.ts';

const platform = await startPlatform();
const { call, newPerson, submit, poll, sandbox } = platform;

const cancel = (person: Person, jobId: string, headers = {}) =>
  call<{ job: Job; error_code?: string; status?: string }>('DELETE', `/api/jobs/${jobId}`, {
    token: person.token,
    headers,
  });

/** Submits a question whose model call hangs, and waits for the call to start. */
async function askSlowly(person: Person, at: Platform = platform): Promise<string> {
  at.sandbox.faults.set([{ kind: 'hang', match: { user: person.accountId } }]);
  const jobId = await at.submit(person.token, 'How many days do I have?');
  await until(() => at.sandbox.book.totals(person.accountId).requests > 0);
  return jobId;
}

const calls = async (person: Person) =>
  (
    await platform.api.services.db.pool.query<{
      outcome: string;
      evidence: string;
      input_tokens: number;
      output_tokens: number;
      billed_tokens: number;
    }>('select * from ai_usage_log where account_id = $1', [person.accountId])
  ).rows;
const holds = async (person: Person) =>
  (await platform.api.services.db.pool.query('select id from token_holds where account_id = $1', [person.accountId]))
    .rows;

describe('a queued job', () => {
  it('is cancelled at once, leaves the queue and never runs', async () => {
    const idle = await startPlatform({ worker: false }, onTestFinished);
    const person = await idle.newPerson({ tokens: 1_000 });
    const jobId = await idle.submit(person.token, 'Never mind?');
    const path = `/api/jobs/${jobId}`;
    const answer = await idle.call<{ job: Job }>('DELETE', path, { token: person.token });
    expect(answer).toMatchObject({
      status: 200,
      body: { success: true, job: { id: jobId, status: 'cancelled', error_code: 'cancelled', tokens_consumed: 0 } },
    });
    expect(answer.body.job.finished_at).not.toBeNull();
    expect(await idle.api.services.queues.byTask.get('ask-question')?.getJob(`${jobId}_1`)).toBeUndefined();
    await idle.startWorker();
    expect((await idle.ask(person.token, 'And now?')).status).toBe('completed');
    expect(idle.sandbox.book.totals(person.accountId).requests).toBe(1);
    // Cancelling again succeeds: the job is already in the requested state.
    expect((await idle.call('DELETE', path, { token: person.token })).status).toBe(200);
  });

  it('ends a request that waits for it', async () => {
    const idle = await startPlatform({ worker: false }, onTestFinished);
    const person = await idle.newPerson({ tokens: 1_000 });
    const waiting = idle.call<{ job: Job }>('POST', '/api/ai/ask-question', {
      token: person.token,
      body: { question: 'Anybody?' },
      headers: { prefer: 'wait=30' },
    });
    const listed = async () =>
      (await idle.call<{ jobs: Job[] }>('GET', '/api/jobs', { token: person.token })).body.jobs[0];
    await until(async () => (await listed()) !== undefined);
    await idle.call('DELETE', `/api/jobs/${(await listed())?.id}`, { token: person.token });
    expect((await waiting).body.job.status).toBe('cancelled');
  });
});

describe('a running job', () => {
  it('aborts its model call, bills the input, releases its hold', async () => {
    const person = await newPerson({ tokens: 10_000 });
    const jobId = await askSlowly(person);
    const answer = await cancel(person, jobId);
    expect(answer).toMatchObject({ status: 202, body: { job_id: jobId, status: 'running' } });
    const job = await poll(person.token, jobId, 3_000);
    expect(job).toMatchObject({ status: 'cancelled', error_code: 'cancelled', result: null });
    const [logged, ...others] = await calls(person);
    expect(others).toEqual([]);
    expect(logged).toMatchObject({ outcome: 'cancelled', evidence: 'estimated', output_tokens: 0 });
    expect(logged?.billed_tokens).toBe(logged?.input_tokens);
    expect(job.tokens_consumed).toBe(logged?.billed_tokens);
    expect(job.tokens_consumed).toBeGreaterThan(20);
    expect(await holds(person)).toEqual([]);
    const [entry] = sandbox.book.list({ user: person.accountId });
    await until(() => entry?.outcome === 'aborted');
  });

  it('is returned once it has ended with Prefer: wait', async () => {
    const person = await newPerson({ tokens: 10_000 });
    const answer = await cancel(person, await askSlowly(person), { prefer: 'wait=10' });
    expect(answer).toMatchObject({ status: 200, body: { job: { status: 'cancelled' } } });
  });

  it('is cancelled through any API process', async () => {
    const other = await startApi(platform.config, testLog);
    onTestFinished(() => other.close());
    const person = await newPerson({ tokens: 10_000 });
    const jobId = await askSlowly(person);
    const answer = await fetch(`${other.url}/api/jobs/${jobId}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${person.token}` },
    });
    expect(answer.status).toBe(202);
    expect((await poll(person.token, jobId, 3_000)).status).toBe('cancelled');
  });

  it('is cancelled at lease renewal when the announcement is lost', async () => {
    const person = await newPerson({ tokens: 10_000 });
    const jobId = await askSlowly(person);
    // What the request stores, without its announcement.
    await platform.api.services.db.pool.query('update jobs set cancel_requested_at = now() where id = $1', [jobId]);
    expect((await poll(person.token, jobId, 6_000)).status).toBe('cancelled');
    expect((await calls(person)).map(({ outcome }) => outcome)).toEqual(['cancelled']);
  });

  it('is not requeued for a retry or after a crash', async () => {
    const idle = await startPlatform({ worker: false }, onTestFinished);
    const { db } = idle.api.services;
    const person = await idle.newPerson({ tokens: 10_000 });
    const claimed = async (leaseMs: number) => {
      const jobId = await idle.submit(person.token, 'Never mind?');
      await claimJobs(db, [{ claimId: newId(), jobId, dispatch: 1, leaseMs }]);
      // What a request stores, without its announcement to workers.
      await db.pool.query('update jobs set cancel_requested_at = now() where id = $1', [jobId]);
      return jobId;
    };
    const [repeated, crashed] = [await claimed(60_000), await claimed(1)];
    await settle(db, [{ move: { jobId: repeated, fence: 1, status: 'queued', delayMs: 0 } }]);
    expect((await idle.poll(person.token, repeated, 100)).status).toBe('cancelled');
    // A cancelled job must not end as failed either: failed jobs can be requeued.
    const failed = await claimed(60_000);
    await settle(db, [{ move: { jobId: failed, fence: 1, status: 'failed', errorCode: 'model_unavailable' } }]);
    expect(await idle.poll(person.token, failed, 100)).toMatchObject({ status: 'cancelled', error_code: 'cancelled' });
    await idle.startWorker();
    for (const jobId of [repeated, crashed])
      expect(await idle.poll(person.token, jobId)).toMatchObject({ status: 'cancelled', error_code: 'cancelled' });
    expect(idle.sandbox.book.totals(person.accountId).requests).toBe(0);
  });

  it('that waits for tokens on hold ends when it is cancelled', async () => {
    const person = await newPerson({ tokens: 600 });
    const holder = await askSlowly(person);
    const waiter = await submit(person.token, 'And I?');
    const row = async () =>
      (await platform.api.services.db.pool.query('select waits from jobs where id = $1', [waiter])).rows[0];
    await until(async () => ((await row())?.waits ?? 0) > 0);
    expect([200, 202]).toContain((await cancel(person, waiter)).status);
    expect((await poll(person.token, waiter)).status).toBe('cancelled');
    await cancel(person, holder);
    await poll(person.token, holder);
    expect(await holds(person)).toEqual([]);
  });
});

describe('an ended job', () => {
  it('returns 409 and stays as it is', async () => {
    const person = await newPerson({ tokens: 10_000 });
    const job = await platform.ask(person.token, 'Done?');
    expect(await cancel(person, job.id)).toMatchObject({ status: 409, body: { error_code: 'conflict' } });
    expect(await poll(person.token, job.id)).toEqual(job);
  });

  it('of another account returns 404', async () => {
    const [person, other] = [await newPerson({ tokens: 10_000 }), await newPerson()];
    const jobId = await askSlowly(person);
    expect(await cancel(other, jobId)).toMatchObject({ status: 404, body: { error_code: 'not_found' } });
    expect((await call('GET', `/api/jobs/${jobId}`, { token: person.token })).body).toMatchObject({
      job: { status: 'running' },
    });
    await cancel(person, jobId);
  });
});
