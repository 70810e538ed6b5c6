/** Requeueing failed and rejected jobs, by an operator's request and by Bull Board's buttons. */
import { costlyQuestion, type Job, type Person, until } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';

const platform = await startPlatform();
const { call, newPerson, ask, poll, sandbox } = platform;
const operator = await newPerson({ role: 'operator' });
const { db, queues } = platform.api.services;

const requeue = (jobId: string, token = operator.token) => call('POST', `/api/admin/jobs/${jobId}/requeue`, { token });

/** A failed job whose request the model rejected once and would accept now. */
async function failedJob(person: Person): Promise<Job> {
  sandbox.faults.set([{ kind: 'bad_request', match: { user: person.accountId }, times: 1 }]);
  const job = await ask(person.token, 'How many days do I have?');
  expect(job).toMatchObject({ status: 'failed', error_code: 'model_request_rejected' });
  return job;
}

describe('a failed job', () => {
  it('runs again and clears its error', async () => {
    const person = await newPerson({ tokens: 10_000 });
    const { id } = await failedJob(person);
    expect(await requeue(id)).toMatchObject({ status: 202, body: { job_id: id, status: 'queued' } });
    const job = await poll(person.token, id);
    expect(job).toMatchObject({ status: 'completed', error: null, error_code: null });
    expect(job.tokens_consumed).toBeGreaterThan(0);
  });

  it('is not billed again for a paid step', async () => {
    const person = await newPerson({ tokens: 10_000 });
    sandbox.faults.set([{ kind: 'refusal', match: { user: person.accountId }, times: 1 }]);
    const refused = await ask(person.token, 'How many days do I have?');
    expect(refused).toMatchObject({ status: 'failed', error_code: 'model_refused' });
    expect(refused.tokens_consumed).toBeGreaterThan(0);
    await requeue(refused.id);
    const again = await poll(person.token, refused.id);
    expect(again).toMatchObject({ status: 'failed', tokens_consumed: refused.tokens_consumed });
    expect(sandbox.book.totals(person.accountId).requests).toBe(1);
  });

  it('that is poisoned can be requeued', async () => {
    const person = await newPerson({ tokens: 10_000 });
    const { id } = await failedJob(person);
    await db.pool.query(`update jobs set error_code = 'poisoned', attempts = 99 where id = $1`, [id]);
    await requeue(id);
    expect((await poll(person.token, id)).status).toBe('completed');
  });

  it('is requeued once by concurrent requests', async () => {
    const person = await newPerson({ tokens: 10_000 });
    const { id } = await failedJob(person);
    const statuses = (await Promise.all([1, 2, 3, 4].map(() => requeue(id)))).map(({ status }) => status);
    expect(statuses.sort()).toEqual([202, 409, 409, 409]);
    const job = await poll(person.token, id);
    expect(sandbox.book.totals(person.accountId).answered).toBe(1);
    expect(job.status).toBe('completed');
  });
});

describe('a rejected job', () => {
  it('runs again once there are tokens', async () => {
    const person = await newPerson({ tokens: costlyQuestion.tokens });
    const { id } = await ask(person.token, costlyQuestion.question);
    const body = { email: person.email, tokens: 5_000, reason: 'more' };
    expect((await call('POST', '/api/admin/grants', { token: operator.token, body })).status).toBe(201);
    await requeue(id);
    expect((await poll(person.token, id)).status).toBe('completed');
  });
});

describe('a requeue', () => {
  it('of a completed or unknown job returns 409', async () => {
    const person = await newPerson({ tokens: 10_000 });
    const { id } = await ask(person.token, 'Well?');
    for (const jobId of [id, operator.accountId])
      expect(await requeue(jobId)).toMatchObject({ status: 409, body: { error_code: 'conflict' } });
  });

  it('by a tenant returns 403', async () => {
    const person = await newPerson({ tokens: 10_000 });
    const { id } = await failedJob(person);
    expect(await requeue(id, person.token)).toMatchObject({ status: 403, body: { error_code: 'forbidden' } });
  });
});

describe('Bull Board', () => {
  const board = '/admin/queues/api/queues/ask-question';
  const own = { origin: platform.url, 'sec-fetch-site': 'same-origin' };
  const press = (path: string) => call('PUT', `${board}/${path}`, { token: operator.token, headers: own });
  const isListed = (jobId: string) => async () =>
    (await (await queues.byTask.get('ask-question')?.getJob(jobId))?.isFailed()) === true;

  it('requeues one job and removes it from the failed list', async () => {
    const person = await newPerson({ tokens: 10_000 });
    const { id } = await failedJob(person);
    await until(isListed(`${id}_1`));
    expect((await press(`${id}_1/retry`)).status).toBeLessThan(300);
    expect((await poll(person.token, id)).status).toBe('completed');
    expect(await queues.byTask.get('ask-question')?.getJob(`${id}_1`)).toBeUndefined();
  });

  it('requeues all failed jobs of a queue', async () => {
    const person = await newPerson({ tokens: 10_000 });
    const jobs = [await failedJob(person), await failedJob(person)];
    for (const { id } of jobs) await until(isListed(`${id}_1`));
    expect((await press('retry/failed')).status).toBe(200);
    for (const { id } of jobs) expect((await poll(person.token, id)).status).toBe('completed');
  });
});
