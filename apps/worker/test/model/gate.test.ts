/** Jobs while the model's provider limits or refuses calls, with real workers and a scripted provider. */
import { listAlarms } from '@tally/db';
import { providerKeys } from '@tally/queue';
import { type Scripted, until } from '@tally/testing';
import { startPlatform, startScriptedModel } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';

const model = await startScriptedModel(() => 'It costs 49.90.');
const start = (env = {}) => startPlatform({ env: { OPENAI_BASE_URL: model.url, ...env } }, onTestFinished);
const error = (status: number, body: object, headers = {}): Scripted => ({
  status,
  body: JSON.stringify({ error: body }),
  headers,
});
const wrongKey = error(401, { message: 'Incorrect API key provided', code: 'invalid_api_key' });

describe('rate limit', () => {
  it('fails no job and spends no attempt over two workers', {
    timeout: 120_000,
  }, async () => {
    const platform = await start();
    await platform.startWorker();
    const { token } = await platform.newPerson({ tokens: 1_000_000 });
    let tokens = 5;
    let last = Date.now();
    let limited = 0;
    model.script = () => {
      const now = Date.now();
      tokens = Math.min(5, tokens + (now - last) / 200);
      last = now;
      if (tokens >= 1) {
        tokens--;
        return 'It costs 49.90.';
      }
      limited++;
      return error(
        429,
        { message: 'Rate limit reached for requests', code: 'rate_limit_exceeded' },
        { 'retry-after': '1' },
      );
    };
    const ids = await Promise.all(Array.from({ length: 30 }, (_, i) => platform.submit(token, `Lamp ${i}?`)));
    for (const id of ids) expect((await platform.poll(token, id, 100_000)).status).toBe('completed');
    const { rows } = await platform.api.services.db.pool.query('select from jobs where attempts <> 1');
    expect(rows).toEqual([]);
    // Calls in progress at the first refusal, and a few after that.
    expect(limited).toBeLessThan(ids.length + 20);
    const metrics = (await platform.call('GET', '/metrics')).text;
    expect(metrics).toContain('tally_provider_state{state="paced"} 1');
    expect(metrics).toContain(`tally_provider_refusals_total{kind="rate_limited"} ${limited}`);
  });
});

describe('provider blocked by an operator error', () => {
  it.each<[string, Scripted]>([
    ['a wrong key', wrongKey],
    [
      'an unpaid bill',
      error(429, {
        message: 'You exceeded your current quota',
        code: 'insufficient_quota',
        type: 'insufficient_quota',
      }),
    ],
    ['an unknown model', error(404, { message: 'The model gpt-9 does not exist', code: 'model_not_found' })],
    ['no permission', error(403, { message: 'Forbidden' })],
  ])('%s: jobs wait, an alarm is raised, and all run once fixed', { timeout: 90_000 }, async (_, refusal) => {
    const platform = await start();
    const { db } = platform.api.services;
    const people = await Promise.all([1, 2, 3].map(() => platform.newPerson({ tokens: 100_000 })));
    model.asked.length = 0;
    model.script = () => refusal;
    const jobs = await Promise.all(
      people.flatMap(({ token }) =>
        Array.from({ length: 8 }, async (_, i) => ({ token, id: await platform.submit(token, `Lamp ${i}?`) })),
      ),
    );
    const seen = async (id: string, token: string) =>
      (await platform.call<{ job: { status: string; progress: string | null } }>('GET', `/api/jobs/${id}`, { token }))
        .body.job;
    await until(async () => {
      const states = await Promise.all(jobs.map(({ id, token }) => seen(id, token)));
      return states.some(({ progress }) => progress === 'waiting_for_provider');
    });
    expect((await listAlarms(db, 10)).map(({ kind }) => kind)).toEqual(['provider']);
    const ready = await platform.call<{ provider: string }>('GET', '/ready');
    expect(ready).toMatchObject({ status: 200, body: { provider: expect.stringMatching(/^waiting: .*HTTP 4/) } });
    const metrics = (await platform.call('GET', '/metrics')).text;
    expect(metrics).toMatch(/tally_alarms(\{[^}]*\})? 1/);
    expect(metrics).toContain('tally_provider_state{state="blocked"} 1');
    expect(metrics).toMatch(/tally_provider_refusals_total\{kind="(operator|denied)"\} \d+/);
    // Calls in progress at the first refusal, and probes after that.
    const before = model.asked.length;
    expect(before).toBeLessThanOrEqual(jobs.length + 3);

    model.script = () => 'It costs 49.90.';
    for (const { token, id } of jobs)
      expect(await platform.poll(token, id, 60_000)).toMatchObject({ status: 'completed', progress: null });
    await until(async () => (await listAlarms(db, 10)).length === 0);
    const { rows } = await db.pool.query('select from jobs where attempts <> 1');
    expect(rows).toEqual([]);
    expect((await platform.call('GET', '/ready')).body).not.toHaveProperty('provider');
  });

  it('is blocked again by the next refusal after Redis lost the state', async () => {
    const platform = await start();
    const { redis } = platform.api.services;
    const { token } = await platform.newPerson({ tokens: 100_000 });
    model.script = () => wrongKey;
    const id = await platform.submit(token, 'Lamp?');
    const keys = providerKeys(platform.config.redisKeyPrefix, platform.config.openai);
    await until(async () => (await redis.hget(keys.state, 'mode')) === 'blocked');
    await redis.del(keys.state);
    await platform.submit(token, 'Another lamp?');
    await until(async () => (await redis.hget(keys.state, 'mode')) === 'blocked');
    model.script = () => 'It costs 49.90.';
    expect(await platform.poll(token, id)).toMatchObject({ status: 'completed' });
  });
});

describe('probe', () => {
  it('does not prevent the next probe if it is cancelled or hangs', { timeout: 60_000 }, async () => {
    const platform = await startPlatform({}, onTestFinished);
    const { faults, book } = platform.sandbox;
    const [hanging, other] = await Promise.all([1, 2].map(() => platform.newPerson({ tokens: 10_000 })));
    if (hanging === undefined || other === undefined) throw new Error('nobody');
    faults.set([{ kind: 'unauthorized' }]);
    const probe = await platform.submit(hanging.token, 'Lamp?');
    await until(() => book.list({ user: hanging.accountId }).length === 1);
    faults.set([{ kind: 'hang', match: { user: hanging.accountId } }]);
    await until(() => book.list({ user: hanging.accountId }).length === 2);
    const job = await platform.submit(other.token, 'Lamp?');
    await platform.call('DELETE', `/api/jobs/${probe}`, { token: hanging.token });
    expect((await platform.poll(other.token, job)).status).toBe('completed');
  });
});

describe('provider outage', () => {
  it('fails no job', { timeout: 120_000 }, async () => {
    const platform = await start();
    const { token } = await platform.newPerson({ tokens: 1_000_000 });
    model.script = () => error(500, { message: 'The server had an error' });
    const ids = await Promise.all(Array.from({ length: 12 }, (_, i) => platform.submit(token, `Lamp ${i}?`)));
    const { db } = platform.api.services;
    await until(async () => (await listAlarms(db, 10)).some(({ kind }) => kind === 'provider'));
    const recovery = setTimeout(() => {
      model.script = () => 'It costs 49.90.';
    }, 12_000);
    onTestFinished(() => clearTimeout(recovery));
    for (const id of ids) expect((await platform.poll(token, id, 90_000)).status).toBe('completed');
  });

  it('is not caused by one prompt that always fails', { timeout: 60_000 }, async () => {
    const platform = await start();
    const { token } = await platform.newPerson({ tokens: 1_000_000 });
    model.script = ({ messages }) =>
      messages.some(({ content }) => content.includes('poison')) ? error(500, { message: 'Oops' }) : 'It costs 49.90.';
    const bad = await platform.submit(token, 'poison?');
    for (let i = 0; i < 8; i++) {
      const began = Date.now();
      expect((await platform.ask(token, `Lamp ${i}?`)).status).toBe('completed');
      expect(Date.now() - began).toBeLessThan(5_000);
    }
    expect((await platform.call('GET', `/api/jobs/${bad}`, { token })).body.job).toMatchObject({ progress: null });
    expect(await listAlarms(platform.api.services.db, 10)).toEqual([]);
  });

  it('is not caused by one request that is always refused with 403', async () => {
    const platform = await start({ LIMIT_SUBMISSIONS_PER_MINUTE: '100000' });
    const { token } = await platform.newPerson({ tokens: 10_000_000 });
    model.script = ({ messages }) =>
      messages.some(({ content }) => content.includes('walled'))
        ? error(403, { message: 'Forbidden' })
        : 'It costs 49.90.';
    const alarms = async () => (await listAlarms(platform.api.services.db, 10)).map(({ kind }) => kind);
    const refused = await platform.submit(token, 'walled?');
    // The job is snoozed as for an operator error, then fails as a rejected request, which raises an alarm.
    while ((await alarms()).length === 0) expect((await platform.ask(token, 'Lamp?')).status).toBe('completed');
    expect(await alarms()).toEqual(['model_request']);
    expect((await platform.call('GET', `/api/jobs/${refused}`, { token })).body.job).toMatchObject({
      error_code: 'model_unavailable',
      tokens_consumed: 0,
    });
  });
});

describe('job that has waited for a day', () => {
  it('fails as model_unavailable, and waits again after a retry', async () => {
    const platform = await start();
    const { token } = await platform.newPerson({ tokens: 100_000 });
    model.script = () => wrongKey;
    const id = await platform.submit(token, 'Lamp?');
    await platform.api.services.db.pool.query(
      `update jobs set created_at = now() - interval '24 hours' where id = $1`,
      [id],
    );
    expect(await platform.poll(token, id)).toMatchObject({
      status: 'failed',
      error_code: 'model_unavailable',
      tokens_consumed: 0,
    });
    await platform.call('POST', `/api/jobs/${id}/retry`, { token });
    await until(async () => {
      const { job } = (await platform.call<{ job: { progress: string | null } }>('GET', `/api/jobs/${id}`, { token }))
        .body;
      return job.progress === 'waiting_for_provider';
    });
    model.script = () => 'It costs 49.90.';
    expect(await platform.poll(token, id)).toMatchObject({ status: 'completed' });
  });
});
