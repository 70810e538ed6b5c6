import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { tasks } from '@tally/tasks';
import { until } from '@tally/testing';
import { ownPostgres, ownRedis, startPlatform, testLog } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startApi } from '../src/start.ts';
import { follow, guided, submitGuided } from './events.ts';

const options = { tasks: [...tasks, guided] };

describe('an event stream continues', () => {
  it('while Redis is unavailable', async () => {
    const redis = await ownRedis();
    const platform = await startPlatform({ ...options, env: { REDIS_URL: redis.url } }, onTestFinished);
    const { token } = await platform.newPerson({ tokens: 1_000 });
    const { id, orders } = await submitGuided(platform, token);
    const feed = await follow(platform.url, token, id);
    while ((await feed.next())?.job.status !== 'running');
    await redis.kill();
    orders.write({ progress: 'in the dark' });
    expect((await feed.next())?.job).toMatchObject({ status: 'running', progress: 'in the dark' });
    const late = await follow(platform.url, token, id);
    expect((await late.next())?.job).toMatchObject({ status: 'running', progress: 'in the dark' });
    orders.end();
    for (const open of [feed, late]) expect((await open.rest()).map(({ job }) => job.status)).toEqual(['completed']);
    await redis.restart({ keepData: false });
    const after = await submitGuided(platform, token);
    after.orders.end();
    expect((await (await follow(platform.url, token, after.id)).rest()).at(-1)?.job.status).toBe('completed');
  });

  it('after a Postgres outage, and stays open during it', async () => {
    const postgres = await ownPostgres();
    const platform = await startPlatform(
      { ...options, env: { DATABASE_URL: postgres.url }, streams: { heartbeatMs: 50 } },
      onTestFinished,
    );
    const { token } = await platform.newPerson({ tokens: 1_000 });
    const { id, orders } = await submitGuided(platform, token);
    const feed = await follow(platform.url, token, id);
    while ((await feed.next())?.job.status !== 'running');
    await postgres.stop('immediate');
    orders.write({ progress: 'meanwhile' });
    const next = feed.next();
    const heartbeats = () => feed.received().split('\n\n: still there').length;
    const before = heartbeats();
    await until(() => heartbeats() > before + 5);
    await postgres.restart();
    expect((await next)?.job).toMatchObject({ progress: 'meanwhile' });
    orders.end();
    expect((await feed.rest()).at(-1)?.job.status).toBe('completed');
  });
});

describe('200 event streams', () => {
  it('receive the same changes and free their memory', async () => {
    const platform = await startPlatform(options, onTestFinished);
    const { eventStreams } = platform.api.services;
    const people = [await platform.newPerson({ tokens: 1_000 }), await platform.newPerson({ tokens: 1_000 })];
    const round = async () => {
      const followed = await Promise.all(
        people.map(async ({ token }) => ({ token, ...(await submitGuided(platform, token)) })),
      );
      const feeds = await Promise.all(
        followed.flatMap(({ id, token }) => Array.from({ length: 100 }, () => follow(platform.url, token, id))),
      );
      expect(eventStreams.count()).toBe(200);
      for (const { orders } of followed) orders.write({ progress: 'x'.repeat(10_000) });
      await Promise.all(
        feeds.map(async (feed) => {
          while ((await feed.next())?.job.progress?.length !== 10_000);
        }),
      );
      // Half of them disconnect, half read to the end.
      for (const feed of feeds.slice(0, 100)) feed.disconnect();
      for (const { orders } of followed) orders.end();
      for (const feed of feeds.slice(100)) expect((await feed.rest()).at(-1)?.job.status).toBe('completed');
      await until(() => eventStreams.count() === 0);
    };
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const heap = async () => {
      for (let i = 0; i < 3; i++) {
        collect();
        await new Promise(setImmediate);
      }
      return process.memoryUsage().heapUsed;
    };
    for (let i = 0; i < 3; i++) await round();
    const before = await heap();
    for (let i = 0; i < 4; i++) await round();
    // 800 streams of 10 KB each would be 8 MB if they were kept.
    expect((await heap()) - before).toBeLessThan(4_000_000);
  });
});

describe('a client that does not read', () => {
  it('costs no memory: it skips intermediate events, gets the last', async () => {
    const platform = await startPlatform(options, onTestFinished);
    const { token } = await platform.newPerson({ tokens: 1_000 });
    const { id, orders } = await submitGuided(platform, token);
    const { host, hostname, port } = new URL(platform.url);
    const socket = connect(Number(port), hostname);
    onTestFinished(() => void socket.destroy());
    socket.pause();
    socket.write(`GET /api/jobs/${id}/events HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\n\r\n`);
    await until(() => platform.api.services.eventStreams.count() === 1);
    const reader = await follow(platform.url, token, id);
    const changes = 60;
    for (let i = 0; i < changes; i++) {
      orders.write({ progress: `${i} ${'x'.repeat(500_000)}` });
      while (!(await reader.next())?.job.progress?.startsWith(`${i} `));
    }
    orders.end();
    await reader.rest();
    let text = '';
    socket.on('data', (chunk) => (text += chunk)).resume();
    await until(() => text.includes('"status":"completed"'));
    const events = text.match(/event: job\n/g)?.length ?? 0;
    expect(events).toBeLessThan(changes / 2);
    await until(() => platform.api.services.eventStreams.count() === 0);
  });
});

describe('an API shutdown', () => {
  it('ends open streams without waiting for their connections', async () => {
    const platform = await startPlatform(options, onTestFinished);
    const { token } = await platform.newPerson({ tokens: 1_000 });
    const { id } = await submitGuided(platform, token);
    const other = await startApi(platform.config, testLog, options);
    const feeds = await Promise.all(Array.from({ length: 20 }, () => follow(other.url, token, id)));
    const ends = feeds.map((feed) => feed.rest());
    const startedAt = performance.now();
    const closing = other.close();
    await Promise.all(ends);
    await closing;
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  it('by SIGTERM stays within its limit with every kind of client', async () => {
    const platform = await startPlatform(options, onTestFinished);
    const { config } = platform;
    const { token } = await platform.newPerson({ tokens: 1_000 });
    const { id, orders } = await submitGuided(platform, token);
    orders.write({ progress: 'x'.repeat(5_000_000) });
    const child = spawn(process.execPath, ['apps/api/src/main.ts'], {
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
        PORT: '0',
      },
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [{ url }] = (await once(child, 'message')) as [{ url: string }];
    const { host, hostname, port } = new URL(url);
    const mute = connect(Number(port), hostname);
    onTestFinished(() => void mute.destroy());
    mute.on('error', () => undefined).pause();
    mute.write(`GET /api/jobs/${id}/events HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\n\r\n`);
    const feed = await follow(url, token, id);
    while (!(await feed.next())?.job.progress);
    const startedAt = performance.now();
    child.kill('SIGTERM');
    expect(await feed.rest()).toEqual([]);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(await once(child, 'exit')).toEqual([0, null]);
    // The connection of the client that does not read is destroyed, before the drain limit of 10 s.
    expect(performance.now() - startedAt).toBeLessThan(8_000);
  });
});
