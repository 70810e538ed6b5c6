import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@tally/testing';
import { temporaryFolder } from '@tally/testing/vitest';
import { Redis as Client } from 'ioredis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Redis, type RedisOptions, startRedis } from '../src/index.ts';

async function start(options: Partial<RedisOptions> = {}): Promise<Redis> {
  const redis = await startRedis({ dataDir: await temporaryFolder(), persist: true, ...options });
  onTestFinished(() => redis.stop());
  return redis;
}

function clientOf(redis: Pick<Redis, 'url'>): Client {
  const client = new Client(redis.url);
  client.on('error', () => {});
  onTestFinished(() => client.disconnect());
  return client;
}

describe('embedded Redis', { timeout: 120_000 }, () => {
  test('requires its password and never evicts keys', async () => {
    const redis = await start();
    const unauthenticated = clientOf({ url: `redis://127.0.0.1:${redis.port}` });

    expect(await clientOf(redis).config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
    await expect(unauthenticated.set('key', 'value')).rejects.toThrow(/NOAUTH/);
  });

  test('keeps its password in a file readable by its user only', async () => {
    const dataDir = await temporaryFolder();
    await start({ dataDir });

    expect(statSync(join(dataDir, 'redis', 'redis.conf')).mode & 0o777).toBe(0o600);
  });

  test('keeps its port over a restart, and data if asked to', async () => {
    const redis = await start();
    const client = clientOf(redis);
    await client.set('key', 'value');

    await redis.restart({ keepData: true });
    expect(await client.get('key')).toBe('value');
    await redis.restart({ keepData: false });
    expect(await client.get('key')).toBeNull();
  });

  test('keeps data older than a second over SIGKILL', async () => {
    const redis = await start();
    const client = clientOf(redis);
    await client.set('key', 'value');
    await sleep(1_100);

    await redis.kill();
    await redis.restart();

    expect(await client.get('key')).toBe('value');
  });

  test('stores nothing without persistence', async () => {
    const redis = await start({ persist: false });
    const client = clientOf(redis);
    await client.set('key', 'value');

    await redis.restart();

    expect(await client.get('key')).toBeNull();
  });

  test('runs beside a second instance', async () => {
    const [one, two] = await Promise.all([start(), start()]);

    await clientOf(one).set('key', 'value');

    expect(await clientOf(two).get('key')).toBeNull();
  });

  test('reports an unexpected exit', async () => {
    const deaths: string[] = [];
    const redis = await start({ onDeath: (how) => deaths.push(how) });

    process.kill(redis.pid, 'SIGKILL');
    await until(() => deaths.length > 0, 20_000);
    await redis.restart();

    expect(deaths).toEqual(['signal SIGKILL']);
    expect(await clientOf(redis).ping()).toBe('PONG');
  });

  test('reports why it does not start', async () => {
    const other = await start();

    await expect(start({ port: other.port })).rejects.toThrow(/did not start: .*Address already in use/);
  });
});
