import { questionPath, testPassword, until } from '@tally/testing';
import { ownPostgres, ownRedis, startPlatform } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';

const unavailable = {
  success: false,
  error: expect.any(String),
  error_code: 'unavailable',
  request_id: expect.any(String),
};

describe('while Postgres is unavailable', () => {
  it('every route returns 503 without the cause, and recovers', async () => {
    const postgres = await ownPostgres();
    const { call, newPerson, submit } = await startPlatform(
      { env: { DATABASE_URL: postgres.url }, worker: false },
      onTestFinished,
    );
    const { email, token } = await newPerson({ tokens: 10_000 });
    const jobId = await submit(token, 'Before?');
    await postgres.stop('immediate');
    for (const [method, path, body] of [
      ['POST', questionPath, { question: 'During?' }],
      ['GET', `/api/jobs/${jobId}`, undefined],
      ['GET', '/api/accounts/overview', undefined],
      ['POST', '/api/accounts/login', { email, password: testPassword }],
      ['POST', '/api/accounts/register', { email: 'new@example.com', password: testPassword }],
    ] as const) {
      const answer = await call(method, path, { token, ...(body && { body }) });
      expect({ path, status: answer.status, body: answer.body }).toEqual({ path, status: 503, body: unavailable });
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(answer.text).not.toMatch(/select|insert|ECONN|127\.0\.0\.1|postgres/i);
    }
    const ready = await call('GET', '/ready');
    expect(ready).toMatchObject({ status: 503, body: { details: { postgres: false, redis: true } } });
    expect(Number(ready.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await call('GET', '/health')).status).toBe(200);
    expect((await call('GET', '/metrics')).status).toBe(200);
    await postgres.restart();
    await until(async () => (await call('GET', `/api/jobs/${jobId}`, { token })).status === 200);
    await submit(token, 'After?');
  });
});

describe('while Redis is unavailable', () => {
  it('Bull Board returns 503 with Retry-After, without the cause', async () => {
    const redis = await ownRedis();
    const { call, newPerson } = await startPlatform({ env: { REDIS_URL: redis.url }, worker: false }, onTestFinished);
    const { token } = await newPerson({ role: 'operator' });
    await redis.kill();
    for (const [method, path] of [
      ['GET', '/admin/queues/api/queues?activeQueue=ask-question'],
      ['PUT', '/admin/queues/api/queues/ask-question/pause'],
    ] as const) {
      const answer = await call(method, path, { token });
      expect({ path, status: answer.status, body: answer.body }).toEqual({ path, status: 503, body: unavailable });
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(answer.text).not.toMatch(/ECONN|127\.0\.0\.1|redis/i);
    }
  });

  it('submissions are accepted once and run after total data loss', async () => {
    const redis = await ownRedis();
    const { call, login, newPerson, poll, sandbox, submit } = await startPlatform(
      { env: { REDIS_URL: redis.url, LIMIT_SUBMISSIONS_PER_MINUTE: '4' } },
      onTestFinished,
    );
    const { accountId, email, token } = await newPerson({ tokens: 10_000 });
    const before = await submit(token, 'Before?');
    await poll(token, before);
    await redis.kill();
    const during = [await submit(token, 'During?'), await submit(token, 'Still?', { 'idempotency-key': 'away' })];
    expect(await submit(token, 'Still?', { 'idempotency-key': 'away' })).toBe(during[1]);
    for (const path of ['/api/jobs', '/api/billing/overview'])
      expect((await call('GET', path, { token })).status).toBe(200);
    for (const path of ['/metrics', '/health']) expect((await call('GET', path)).status).toBe(200);
    const queued = await call('GET', `/api/jobs/${during[0]}`, { token });
    expect(queued.body).toMatchObject({ job: { status: 'queued' } });
    await login(email);
    expect(await call('GET', '/ready')).toMatchObject({ status: 503, body: { details: { redis: false } } });
    // Rate limits are counted in this process meanwhile: three of four submissions were made above.
    await submit(token, 'The fourth?');
    expect((await call('POST', questionPath, { token, body: { question: 'The fifth?' } })).status).toBe(429);
    await redis.restart({ keepData: false });
    for (const id of during) expect(await poll(token, id)).toMatchObject({ status: 'completed' });
    await until(() => sandbox.book.totals(accountId).answered === 4);
    // The last answer settles shortly after it is given.
    await until(async () => {
      const { body } = await call<{ ai_tokens_total: number }>('GET', '/api/billing/overview', { token });
      return body.ai_tokens_total === sandbox.book.totals(accountId).total_tokens;
    });
  });

  it('accepted jobs are queued as soon as the API reconnects', async () => {
    const redis = await ownRedis();
    const env = { REDIS_URL: redis.url };
    const { api, newPerson, submit } = await startPlatform({ env, worker: false }, onTestFinished);
    const { token } = await newPerson({ tokens: 10_000 });
    await redis.kill();
    const jobs = [await submit(token, 'During?'), await submit(token, 'Still?')];
    await redis.restart({ keepData: false });
    const queue = api.services.queues.byTask.get('ask-question');
    const isQueued = async (id: string) => (await queue?.getJob(`${id}_1`).catch(() => undefined)) !== undefined;
    for (const id of jobs) await until(() => isQueued(id), 5_000);
  });

  it('a request that waits for its job ends once Redis is back', async () => {
    const redis = await ownRedis();
    const { call, newPerson } = await startPlatform({ env: { REDIS_URL: redis.url } }, onTestFinished);
    const { token } = await newPerson({ tokens: 10_000 });
    await redis.kill();
    const headers = { prefer: 'wait=30' };
    const waiting = call('POST', questionPath, { token, body: { question: 'Patience?' }, headers });
    await redis.restart({ keepData: false });
    expect(await waiting).toMatchObject({ status: 200, body: { job: { status: 'completed' } } });
  });
});
