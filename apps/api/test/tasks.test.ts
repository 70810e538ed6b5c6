import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connectRedis, redisReady } from '@tally/core';
import { announceChange } from '@tally/queue';
import { costlyQuestion, type Job, type Platform, questionPath, until } from '@tally/testing';
import { startPlatform, testLog } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startApi } from '../src/start.ts';

const platform = await startPlatform({ env: { LIMIT_SUBMISSIONS_PER_MINUTE: '0' } });
const { ask, call, newPerson, poll, sandbox } = platform;

type Accepted = { success: boolean; job_id: string; status: string; status_url: string };
type Ended = { success: boolean; job: Job };

const post = <Shape = Accepted>(token: string, question: string, headers: Record<string, string> = {}, on = platform) =>
  on.call<Shape>('POST', questionPath, { token, body: { question }, headers });
const listJobs = async (token: string, on: Platform = platform) =>
  (await on.call<{ jobs: { id: string }[] }>('GET', '/api/jobs?limit=100', { token })).body.jobs;

describe('POST of a task', () => {
  it('returns 202 with the job and its URL', async () => {
    const { token } = await newPerson({ tokens: 5_000 });
    const { status, body, headers } = await post(token, 'How are you?');
    expect(status).toBe(202);
    expect(body).toEqual({
      success: true,
      job_id: expect.any(String),
      status: 'queued',
      status_url: `/api/jobs/${body.job_id}`,
    });
    expect(headers.get('location')).toBe(body.status_url);
    const job = await poll(token, body.job_id);
    expect(job).toEqual({
      id: body.job_id,
      task: 'ask-question',
      status: 'completed',
      progress: null,
      result: { answer: expect.any(String), known: false, sources: [], cut_off: false },
      error: null,
      error_code: null,
      tokens_consumed: expect.any(Number),
      created_at: expect.any(String),
      started_at: expect.any(String),
      finished_at: expect.any(String),
    });
    expect(job.tokens_consumed).toBeGreaterThan(0);
  });

  it('rejects a job whose tokens run out, without charge', async () => {
    const { token } = await newPerson({ tokens: costlyQuestion.tokens });
    const job = await ask(token, costlyQuestion.question);
    expect(job).toMatchObject({ status: 'rejected', error_code: 'no_tokens_remaining', tokens_consumed: 0 });
  });
});

describe('the answer to a question', () => {
  const addKnowledge = (token: string, title: string, text: string) =>
    call<{ knowledge: { id: string } }>('POST', '/api/knowledge', { token, body: { title, text } });

  it('has sources and costs the tokens that the model counted', async () => {
    const { accountId, token } = await newPerson({ tokens: 10_000 });
    const entry = await addKnowledge(token, 'Returns', 'You have 30 days from delivery to return a lamp.');
    await addKnowledge(token, 'Shipping', 'Orders leave our workshop in Lisbon on the same day.');
    const job = await ask(token, 'How many days do I have to return a lamp?');
    expect(job.result).toEqual({
      answer: expect.stringContaining('30 days'),
      known: true,
      sources: [{ kind: 'knowledge', id: entry.body.knowledge.id, title: 'Returns' }],
      cut_off: false,
    });
    expect(job.tokens_consumed).toBe(sandbox.book.totals(accountId).total_tokens);
  });

  it('is unknown without knowledge, and still asks the model', async () => {
    const { accountId, token } = await newPerson({ tokens: 10_000 });
    const empty = await ask(token, 'Do you sell boats?');
    expect(empty.result).toMatchObject({ known: false, sources: [] });
    await addKnowledge(token, 'Returns', 'You have 30 days from delivery to return a lamp.');
    const unmatched = await ask(token, 'Do you sell boats?');
    expect(unmatched.result).toMatchObject({ known: false, sources: [] });
    const { answered, total_tokens } = sandbox.book.totals(accountId);
    expect(answered).toBe(2);
    expect(empty.tokens_consumed + unmatched.tokens_consumed).toBe(total_tokens);
  });

  it('is in Persian for a Persian question', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    await addKnowledge(token, 'شرایط بازگشت کالا', 'شما تا ۳۰ روز پس از تحویل می‌توانید چراغ را بازگردانید.');
    const job = await ask(token, 'تا چند روز پس از تحویل می‌توانم چراغ را بازگردانم؟');
    expect(job.result).toMatchObject({ known: true, sources: [{ title: 'شرایط بازگشت کالا' }] });
    expect(job.result?.answer).toContain('۳۰ روز');
  });

  it('uses only the account’s own knowledge', async () => {
    const other = await newPerson({ tokens: 10_000 });
    await addKnowledge(other.token, 'Secret', 'The combination of the safe is 4711.');
    const { token } = await newPerson({ tokens: 10_000 });
    const job = await ask(token, 'What is the combination of the safe?');
    expect(job.result).toMatchObject({ known: false, sources: [] });
    expect(JSON.stringify(job)).not.toContain('4711');
  });
});

describe('an Idempotency-Key', () => {
  it('returns the same job for the same request', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const key = { 'idempotency-key': 'order-1' };
    const first = await post(token, 'Once?', key);
    await poll(token, first.body.job_id);
    const again = await post(token, 'Once?', key);
    expect(again).toMatchObject({ status: 202, body: { ...first.body, status: 'completed' } });
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
    expect(await listJobs(token)).toHaveLength(1);
  });

  it('creates one job for 20 concurrent requests', async () => {
    const { accountId, token } = await newPerson({ tokens: 10_000 });
    const all = await Promise.all(
      Array.from({ length: 20 }, () => post(token, 'At once?', { 'idempotency-key': 'race' })),
    );
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([202]));
    expect(new Set(all.map(({ body }) => body.job_id)).size).toBe(1);
    expect(await listJobs(token)).toHaveLength(1);
    await poll(token, all[0]?.body.job_id ?? '');
    expect(sandbox.book.totals(accountId).requests).toBe(1);
  });

  it('returns 409 for another body, also concurrently', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const key = { 'idempotency-key': 'mixed' };
    const all = await Promise.all(['One?', 'Two?', 'One?', 'Two?'].map((question) => post(token, question, key)));
    expect(all.map(({ status }) => status).sort()).toEqual([202, 202, 409, 409]);
    expect(await listJobs(token)).toHaveLength(1);
    const other = await post<{ error_code: string }>(token, 'Three?', key);
    expect(other).toMatchObject({ status: 409, body: { error_code: 'idempotency_conflict' } });
  });

  it('belongs to its account', async () => {
    const [mine, theirs] = [await newPerson({ tokens: 10_000 }), await newPerson({ tokens: 10_000 })];
    const key = { 'idempotency-key': 'shared' };
    const first = await post(mine.token, 'Mine?', key);
    const second = await post(theirs.token, 'Theirs?', key);
    expect(second.status).toBe(202);
    expect(second.body.job_id).not.toBe(first.body.job_id);
  });

  it('of a refused request can be used again', async () => {
    const { email, token } = await newPerson();
    const operator = await newPerson({ role: 'operator' });
    const key = { 'idempotency-key': 'retry' };
    expect((await post(token, 'Now?', key)).status).toBe(402);
    expect((await post(token, '', key)).status).toBe(402);
    await call('POST', '/api/admin/subscriptions', { token: operator.token, body: { email, plan: 'starter' } });
    expect((await post(token, 'Now?', key)).status).toBe(202);
  });

  it('replays also after that job has used up the tokens', async () => {
    const { email, token } = await newPerson({ tokens: 1_000 });
    const operator = await newPerson({ role: 'operator' });
    const key = { 'idempotency-key': 'last' };
    const first = await post(token, 'The last one?', key);
    const { tokens_consumed } = await poll(token, first.body.job_id);
    const rest = { email, tokens: tokens_consumed - 1_000, reason: 'the rest' };
    expect((await call('POST', '/api/admin/grants', { token: operator.token, body: rest })).status).toBe(201);
    expect((await post(token, 'Another one?')).status).toBe(402);
    expect((await post(token, 'Another one?', { 'idempotency-key': 'new' })).status).toBe(402);
    expect(await post(token, 'The last one?', key)).toMatchObject({
      status: 202,
      body: { ...first.body, status: 'completed' },
    });
  });

  it('replays with the job’s current status', async () => {
    const poor = await newPerson({ tokens: costlyQuestion.tokens });
    const refused = await post(poor.token, costlyQuestion.question, { 'idempotency-key': 'poor' });
    await poll(poor.token, refused.body.job_id);
    const again = await post(poor.token, costlyQuestion.question, { 'idempotency-key': 'poor' });
    expect(again.body).toEqual({ ...refused.body, status: 'rejected' });

    const { accountId, token } = await newPerson({ tokens: 10_000 });
    sandbox.faults.set([{ kind: 'slow', delay_ms: 20_000, match: { user: accountId } }]);
    onTestFinished(() => sandbox.faults.clear());
    const key = { 'idempotency-key': 'slow' };
    const first = await post(token, 'Slowly?', key);
    const statusOf = async (headers = {}) => (await post(token, 'Slowly?', { ...key, ...headers })).body.status;
    await until(async () => (await statusOf()) === 'running');
    expect(await statusOf({ prefer: 'wait=1' })).toBe('running');
    await call('DELETE', `/api/jobs/${first.body.job_id}`, { token, headers: { prefer: 'wait=20' } });
    expect(await post(token, 'Slowly?', key)).toMatchObject({
      status: 202,
      body: { ...first.body, status: 'cancelled' },
    });
    const waited = await post<Ended>(token, 'Slowly?', { ...key, prefer: 'wait=20' });
    expect(waited).toMatchObject({ status: 200, body: { job: { status: 'cancelled' } } });
  });
});

describe('Prefer: wait', () => {
  it('returns 200 with the ended job, whatever its status', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const done = await post<Ended>(token, 'Ready?', { prefer: 'respond-async, wait=30' });
    expect(done).toMatchObject({ status: 200, body: { success: true, job: { status: 'completed' } } });
    expect(done.headers.get('location')).toBe(`/api/jobs/${done.body.job.id}`);
    expect(done.body.job).toEqual(await poll(token, done.body.job.id));

    const poor = await newPerson({ tokens: costlyQuestion.tokens });
    const rejected = await post<Ended>(poor.token, costlyQuestion.question, { prefer: 'wait=30' });
    expect(rejected).toMatchObject({ status: 200, body: { job: { status: 'rejected' } } });
  });

  it('returns 202 after the wait, and the job continues', async () => {
    const { accountId, token } = await newPerson({ tokens: 10_000 });
    sandbox.faults.set([{ kind: 'slow', delay_ms: 2_500, match: { user: accountId } }]);
    onTestFinished(() => sandbox.faults.clear());
    const late = await post(token, 'Slowly?', { prefer: 'wait=1' });
    expect(late).toMatchObject({ status: 202, body: { success: true, status: 'running' } });
    expect(late.headers.get('location')).toBe(late.body.status_url);
    expect(await poll(token, late.body.job_id)).toMatchObject({ status: 'completed' });
  });

  it('returns the ended job to a replay at once', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const headers = { 'idempotency-key': 'wait', prefer: 'wait=30' };
    const first = await post<Ended>(token, 'Twice?', headers);
    expect(await post<Ended>(token, 'Twice?', headers)).toMatchObject({ status: 200, body: first.body });
  });

  it('is ignored where it can’t be parsed', async () => {
    const { token } = await newPerson({ tokens: 100_000 });
    for (const prefer of ['wait', 'wait=', 'wait=-1', 'wait=x', 'await=5', 'return=minimal'])
      expect((await post(token, 'At once?', { prefer })).status).toBe(202);
  });

  it('wakes up on an announcement in Redis', async () => {
    const idle = await startPlatform({ worker: false }, onTestFinished);
    const { token } = await idle.newPerson({ tokens: 10_000 });
    const { redis } = idle.api.services;
    const { redisKeyPrefix } = idle.config;
    const waiting = post(token, 'Any news?', { prefer: 'wait=30' }, idle);
    let isAnswered = false;
    void waiting.finally(() => {
      isAnswered = true;
    });
    const startedAt = Date.now();
    // No worker runs, so only an announcement can end the wait early; repeated, since the API may not listen yet.
    await until(async () => {
      const [job] = await listJobs(token, idle);
      if (job) await announceChange(redis, redisKeyPrefix, { jobId: job.id, status: 'completed' });
      return isAnswered;
    });
    expect(await waiting).toMatchObject({ status: 202, body: { status: 'queued' } });
    expect(Date.now() - startedAt).toBeLessThan(25_000);
  });

  it('returns a job that a worker in another process ran', async () => {
    const idle = await startPlatform({ worker: false }, onTestFinished);
    const { token } = await idle.newPerson({ tokens: 10_000 });
    const { config } = idle;
    const worker = spawn(process.execPath, ['apps/worker/src/main.ts'], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: {
        DATABASE_URL: config.databaseUrl,
        REDIS_URL: config.redisUrls.join(','),
        REDIS_KEY_PREFIX: config.redisKeyPrefix,
        OPENAI_API_KEY: config.openai.apiKey,
        OPENAI_BASE_URL: config.openai.baseUrl,
        JWT_SECRET: config.jwtSecret,
        ENCRYPTION_KEY: config.encryptionKey,
        LOG_LEVEL: 'silent',
      },
    });
    onTestFinished(async () => {
      worker.kill('SIGTERM');
      if (worker.exitCode === null) await once(worker, 'exit');
    });
    const done = await post<Ended>(token, 'From afar?', { prefer: 'wait=30' }, idle);
    expect(done).toMatchObject({ status: 200, body: { job: { status: 'completed' } } });
  });

  it('returns also when the announcement is lost', async () => {
    const idle = await startPlatform({ worker: false }, onTestFinished);
    // A Redis user with every permission but publish.
    const name = `mute-${idle.config.redisKeyPrefix}`;
    const redis = connectRedis(idle.config.redisUrls, 'ledger', () => undefined);
    await redisReady(redis, 5_000);
    await redis.call('acl', 'setuser', name, 'on', '>quiet', '~*', 'resetchannels', '+@all');
    onTestFinished(async () => {
      await idle.stopWorkers();
      await redis.call('acl', 'deluser', name);
      redis.disconnect();
    });
    const redisUrls = idle.config.redisUrls.map((url) =>
      Object.assign(new URL(url), { username: name, password: 'quiet' }),
    );
    await idle.startWorker({ env: { REDIS_URL: redisUrls.map(String).join(',') } });
    const { token } = await idle.newPerson({ tokens: 10_000 });
    const startedAt = Date.now();
    const done = await post<Ended>(token, 'Did you hear?', { prefer: 'wait=30' }, idle);
    expect(done).toMatchObject({ status: 200, body: { job: { status: 'completed' } } });
    expect(Date.now() - startedAt).toBeLessThan(20_000);
  });

  it('ends when its client disconnects', async () => {
    const idle = await startPlatform({ worker: false }, onTestFinished);
    const { token } = await idle.newPerson({ tokens: 10_000 });
    const controller = new AbortController();
    const all = Array.from({ length: 100 }, () =>
      fetch(`${idle.url}${questionPath}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', prefer: 'wait=30' },
        body: '{"question":"Still there?"}',
        signal: controller.signal,
      }).catch(() => undefined),
    );
    await until(async () => (await listJobs(token, idle)).length === 100);
    controller.abort();
    await Promise.all(all);
    const finished = new RegExp(
      `request_duration_seconds_count\\{method="POST",route="${questionPath}",status="202"\\} 100`,
    );
    // All requests end well before their wait of 30 s.
    await until(async () => finished.test((await idle.call('GET', '/metrics')).text), 15_000);
  });

  it('returns 202 at once when the API shuts down', async () => {
    const idle = await startPlatform({ worker: false }, onTestFinished);
    const { token } = await idle.newPerson({ tokens: 10_000 });
    const stopping = await startApi(idle.config, testLog);
    const waiting = fetch(`${stopping.url}${questionPath}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', prefer: 'wait=30' },
      body: '{"question":"Still there?"}',
    });
    await until(async () => (await listJobs(token, idle)).length === 1);
    const stopped = stopping.close();
    const answer = await waiting;
    expect([answer.status, await answer.json()]).toMatchObject([202, { status: 'queued' }]);
    await stopped;
  });
});
