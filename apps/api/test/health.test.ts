import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';

const { api, call, newPerson, startWorker, submit } = await startPlatform({ worker: false });

describe('GET /health', () => {
  it('returns 200', async () => {
    expect(await call('GET', '/health')).toMatchObject({ status: 200, body: { success: true, status: 'ok' } });
  });
});

describe('GET /ready', () => {
  it('returns 503 with what is missing, and 200 with a worker', async () => {
    const without = await call('GET', '/ready');
    expect(without.status).toBe(503);
    expect(without.body).toEqual({
      success: false,
      error: 'Not ready: no workers',
      error_code: 'unavailable',
      request_id: expect.any(String),
      details: { postgres: true, redis: true, workers: false },
    });
    await startWorker();
    expect(await call('GET', '/ready')).toMatchObject({
      status: 200,
      body: { success: true, ready: true, checks: { postgres: true, redis: true, workers: true } },
    });
  });

  it('returns 503 again once the last worker has shut down', async () => {
    const other = await startPlatform({}, onTestFinished);
    expect((await other.call('GET', '/ready')).status).toBe(200);
    await other.stopWorkers();
    expect((await other.call('GET', '/ready')).status).toBe(503);
  });
});

describe('GET /metrics', () => {
  const metrics = async () => (await call('GET', '/metrics')).text;

  it('labels requests by route pattern, not by path', async () => {
    const { token } = await newPerson({ tokens: 1_000 });
    for (const path of ['/api/jobs/1', '/api/no-such-thing', '/no-such-thing', '/admin/no-such-thing'])
      await call('GET', path, { token });
    await submit(token, 'Counted?');
    await call('GET', '/api/jobs');
    const text = await metrics();
    expect(text).toMatch(/_count\{method="GET",route="\/api\/jobs\/:id",status="404"\} 1/);
    expect(text).toMatch(/_count\{method="POST",route="\/api\/ai\/ask-question",status="202"\} 1/);
    expect(text).toMatch(/_count\{method="GET",route="\/api\/\*",status="401"\} 1/);
    expect(text).not.toContain('no-such-thing');
    expect(text).not.toContain('route=""');
  });

  it('has queue lengths and process metrics', async () => {
    const { headers } = await call('GET', '/metrics');
    expect(headers.get('content-type')).toContain('text/plain');
    const text = await metrics();
    for (const name of api.services.queues.byTask.keys())
      expect(text).toContain(`tally_queue_jobs{queue="${name}",state="wait"}`);
    expect(text).toContain('process_cpu_seconds_total');
  });
});
