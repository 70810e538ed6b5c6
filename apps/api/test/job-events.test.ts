import { connect } from 'node:net';
import { tasks } from '@tally/tasks';
import { until } from '@tally/testing';
import { startPlatform, testLog } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startApi } from '../src/start.ts';
import { follow, guided, type JobEvent, submitGuided } from './events.ts';

const options = { tasks: [...tasks, guided] };
const platform = await startPlatform(options);
const { call, newPerson, url } = platform;
const { eventStreams } = platform.api.services;
const closed = () => until(() => eventStreams.count() === 0);

const seen = (events: (JobEvent | undefined)[]) => events.map((event) => [event?.job.status, event?.job.progress]);
const show = async (token: string, id: string) =>
  (await call<{ job: JobEvent['job'] }>('GET', `/api/jobs/${id}`, { token })).body.job;

describe('GET /api/jobs/{id}/events', () => {
  it('sends the state at once, each change, and last the end', async () => {
    const idle = await startPlatform({ ...options, worker: false }, onTestFinished);
    const { token } = await idle.newPerson({ tokens: 1_000 });
    const { id, orders } = await submitGuided(idle, token);
    const feed = await follow(idle.url, token, id);
    const events = [await feed.next()];
    await idle.startWorker();
    events.push(await feed.next());
    for (const progress of ['opening', 'reading']) {
      orders.write({ progress });
      events.push(await feed.next());
    }
    orders.write({ fail: 'Not yet' });
    events.push(await feed.next());
    expect(events.at(-1)?.job).toMatchObject({ error_code: 'model_unavailable', error: 'Not yet' });
    events.push(await feed.next());
    orders.end();
    events.push(...(await feed.rest()));
    expect(seen(events)).toEqual([
      ['queued', null],
      ['running', null],
      ['running', 'opening'],
      ['running', 'reading'],
      ['queued', 'reading'],
      ['running', 'reading'],
      ['completed', 'reading'],
    ]);
    const { body } = await idle.call('GET', `/api/jobs/${id}`, { token });
    expect(events.at(-1)?.job).toEqual(body.job);
    expect(new Set(events.map((event) => event?.id)).size).toBe(events.length);
  });

  it('disables proxy buffering and sets a reconnect delay', async () => {
    const { token } = await newPerson({ tokens: 1_000 });
    const { id, orders } = await submitGuided(platform, token);
    const feed = await follow(url, token, id);
    orders.end();
    await feed.rest();
    expect(Object.fromEntries(feed.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      'x-request-id': expect.any(String),
    });
    expect(feed.received()).toMatch(/^retry: 1\d{3}\n\n/);
    expect(feed.received()).toMatch(/\nevent: job\ndata: \{.*"said":"done job \d+".*\}\nid: [\w-]{22}\n\n$/);
  });

  it('resumes after Last-Event-ID at another API process', async () => {
    const { token } = await newPerson({ tokens: 1_000 });
    const { id, orders } = await submitGuided(platform, token);
    orders.write({ progress: 'first' });
    const feed = await follow(url, token, id);
    let last = await feed.next();
    while (last?.job.progress !== 'first') last = await feed.next();
    feed.disconnect();
    const other = await startApi(platform.config, testLog, options);
    onTestFinished(() => other.close());
    const same = await follow(other.url, token, id, last.id);
    orders.write({ progress: 'second' });
    expect(seen([await same.next()])).toEqual([['running', 'second']]);
    const late = await follow(url, token, id, last.id);
    expect(seen([await late.next()])).toEqual([['running', 'second']]);
    orders.end();
    expect(seen(await same.rest())).toEqual([['completed', 'second']]);
  });

  it('returns 204 to a client that has the last event', async () => {
    const { token } = await newPerson({ tokens: 1_000 });
    const { id, orders } = await submitGuided(platform, token);
    orders.end();
    const before = await (await follow(url, token, id)).rest();
    const after = await (await follow(url, token, id, 'something else')).rest();
    expect(after).toEqual([before.at(-1)]);
    expect((await follow(url, token, id, after[0]?.id)).status).toBe(204);
    await closed();
  });

  it('sends changes as they happen', async () => {
    const { token } = await newPerson({ tokens: 1_000 });
    const { id, orders } = await submitGuided(platform, token);
    const feed = await follow(url, token, id);
    const startedAt = performance.now();
    for (let i = 0; i < 20; i++) {
      orders.write({ progress: `step ${i}` });
      while ((await feed.next())?.job.progress !== `step ${i}`);
    }
    // The recheck alone would find one change per second: 20 s for all.
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  it('sends changes whose announcement was lost', async () => {
    const { token } = await newPerson({ tokens: 1_000 });
    const { id } = await submitGuided(platform, token);
    const feed = await follow(url, token, id);
    while ((await feed.next())?.job.status !== 'running');
    const { pool } = platform.api.services.db;
    await pool.query('update jobs set progress = $2 where id = $1', [id, 'unheard']);
    expect(seen([await feed.next()])).toEqual([['running', 'unheard']]);
    // A deleted job ends the stream, and a reconnect gets a 404.
    await pool.query('delete from jobs where id = $1', [id]);
    expect(await feed.next()).toBeUndefined();
    expect((await follow(url, token, id)).status).toBe(404);
  });

  it('returns 404 to other accounts', async () => {
    const [mine, theirs] = [await newPerson({ tokens: 1_000 }), await newPerson({ tokens: 1_000 })];
    const { id, orders } = await submitGuided(platform, theirs.token);
    const path = `/api/jobs/${id}/events`;
    expect(await call('GET', path, { token: mine.token })).toMatchObject({
      status: 404,
      body: { error_code: 'not_found' },
    });
    expect(await call('GET', path)).toMatchObject({ status: 401, body: { error_code: 'unauthenticated' } });
    orders.end();
    expect((await call('GET', path, { token: theirs.token })).status).toBe(200);
  });
});

describe('an event stream', () => {
  it('is kept alive by comments', async () => {
    const lively = await startPlatform({ ...options, streams: { heartbeatMs: 50 } }, onTestFinished);
    const { token } = await lively.newPerson({ tokens: 1_000 });
    const { id, orders } = await submitGuided(lively, token);
    const feed = await follow(lively.url, token, id);
    const all = feed.rest();
    await until(() => feed.received().split('\n\n: still there').length > 3);
    orders.end();
    expect((await all).at(-1)?.job.status).toBe('completed');
  });

  it('is released when its client disconnects or sends HEAD', async () => {
    const { token } = await newPerson({ tokens: 1_000 });
    const { id } = await submitGuided(platform, token);
    const feed = await follow(url, token, id);
    await feed.next();
    expect(eventStreams.count()).toBe(1);
    feed.disconnect();
    await closed();
    expect(await call('HEAD', `/api/jobs/${id}/events`, { token })).toMatchObject({ status: 200, text: '' });
    await closed();
    const address = new URL(url);
    const request = `GET /api/jobs/${id}/events HTTP/1.1\r\nhost: ${address.host}\r\nauthorization: Bearer ${token}\r\n\r\n`;
    for (let waitMs = 0; waitMs < 40; waitMs++) {
      const socket = connect(Number(address.port), address.hostname, () => socket.write(request));
      setTimeout(() => socket.destroy(), waitMs / 2);
    }
    expect(await show(token, id)).toMatchObject({ status: 'running' });
    await closed();
  });

  it('ends soon after its login or API key is revoked', async () => {
    const { email, token } = await newPerson({ tokens: 1_000 });
    const { id } = await submitGuided(platform, token);
    const made = await call<{ api_key: { key: string } }>('POST', '/api/accounts/api-keys', {
      token,
      body: { name: 'x' },
    });
    const feeds = [await follow(url, token, id), await follow(url, made.body.api_key.key, id)];
    for (const feed of feeds) await feed.next();
    await call('POST', '/api/accounts/logout-everywhere', { token, body: { end_api_keys: true } });
    for (const feed of feeds) await feed.rest();
    await closed();
    expect(email).not.toBe('');
  });

  it('is evicted at the process limit if its account has the most', async () => {
    const limited = await startPlatform(
      { ...options, streams: { maxStreamsPerAccount: 3, maxStreams: 3 } },
      onTestFinished,
    );
    const [greedy, other] = [await limited.newPerson({ tokens: 1_000 }), await limited.newPerson({ tokens: 1_000 })];
    const jobs = [await submitGuided(limited, greedy.token), await submitGuided(limited, other.token)] as const;
    const feeds = [];
    for (let i = 0; i < 3; i++) feeds.push(await follow(limited.url, greedy.token, jobs[0].id));
    const late = await follow(limited.url, other.token, jobs[1].id);
    expect(late.status).toBe(200);
    await feeds[0]?.rest();
    const second = await follow(limited.url, other.token, jobs[1].id);
    expect(second.status).toBe(503);
    for (const { orders } of jobs) orders.end();
    expect((await late.rest()).at(-1)?.job.status).toBe('completed');
    expect((await feeds[2]?.rest())?.at(-1)?.job.status).toBe('completed');
  });

  it('is limited per account and per process', async () => {
    const limited = await startPlatform(
      { ...options, streams: { maxStreamsPerAccount: 2, maxStreams: 3 } },
      onTestFinished,
    );
    const [one, two] = [await limited.newPerson({ tokens: 1_000 }), await limited.newPerson({ tokens: 1_000 })];
    const ones = await submitGuided(limited, one.token);
    const twos = await submitGuided(limited, two.token);
    const open = await follow(limited.url, one.token, ones.id);
    await follow(limited.url, one.token, ones.id);
    const refusal = await limited.call('GET', `/api/jobs/${ones.id}/events`, { token: one.token });
    expect(refusal).toMatchObject({ status: 429, body: { error_code: 'rate_limited' } });
    expect(Number(refusal.headers.get('retry-after'))).toBeGreaterThan(0);
    await follow(limited.url, two.token, twos.id);
    const full = await limited.call('GET', `/api/jobs/${twos.id}/events`, { token: two.token });
    expect(full).toMatchObject({ status: 503, body: { error_code: 'unavailable' } });
    expect((await limited.call('GET', '/metrics')).text).toContain('\ntally_event_streams 3\n');
    open.disconnect();
    await until(async () => (await follow(limited.url, one.token, ones.id)).status === 200);
  });

  it('ends after its lifetime', async () => {
    const brief = await startPlatform({ ...options, streams: { lifetimeMs: 500 } }, onTestFinished);
    const { email, token } = await brief.newPerson({ tokens: 1_000 });
    const { id, orders } = await submitGuided(brief, token);
    orders.write({ progress: 'here' });
    const feed = await follow(brief.url, token, id);
    const last = (await feed.rest()).at(-1);
    expect(last?.job).toMatchObject({ status: 'running', progress: 'here' });
    const again = await follow(brief.url, token, id, last?.id);
    expect(again.status).toBe(200);
    expect(await again.rest()).toEqual([]);
    await brief.api.services.db.pool.query('update accounts set token_version = 2 where email = $1', [email]);
    expect((await follow(brief.url, token, id, last?.id)).status).toBe(401);
  });
});
