/** Temporary refusals by Redis and Postgres: every accepted job completes, and no response is a 500. */
import { connectRedis, type RedisClient, redisReady } from '@tally/core';
import { type Platform, questionPath, until } from '@tally/testing';
import { ownPostgres, ownRedis, startPlatform } from '@tally/testing/vitest';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const together = 5;
const rounds = 8;

/** Submits in rounds before, during and after a fault; expects every accepted job to complete. */
async function expectNothingLost(platform: Platform, fault: { begin(): Promise<unknown>; end(): Promise<unknown> }) {
  const { token } = await platform.newPerson({ tokens: 1_000_000 });
  const accepted: string[] = [];
  const statuses = new Set<number>();
  const submitRounds = async (count: number) => {
    for (let round = 0; round < count; round++)
      await Promise.all(
        Array.from({ length: together }, async () => {
          const { status, body } = await platform.call('POST', questionPath, { token, body: { question: 'A lamp?' } });
          statuses.add(status);
          if (typeof body.job_id === 'string') accepted.push(body.job_id);
        }),
      );
  };
  await submitRounds(2);
  await fault.begin();
  await submitRounds(rounds).finally(fault.end);
  await until(async () => (await platform.call('GET', '/api/jobs', { token })).status === 200);
  await submitRounds(2);
  expect([...statuses].filter((status) => status !== 202 && status !== 503)).toEqual([]);
  expect(accepted.length).toBeGreaterThanOrEqual(2 * together);
  const ends = await Promise.all(accepted.map((id) => platform.poll(token, id)));
  expect(ends.map(({ status, error_code }) => ({ status, error_code }))).toEqual(
    accepted.map(() => ({ status: 'completed', error_code: null })),
  );
}

describe('a temporary fault of Redis', () => {
  let platform: Platform;
  let admin: RedisClient;
  let password: string;
  beforeAll(async () => {
    const redis = await ownRedis(afterAll);
    password = decodeURIComponent(new URL(redis.url).password);
    admin = connectRedis([redis.url], 'consumer', () => undefined);
    await redisReady(admin, 5_000);
    afterAll(() => admin.disconnect());
    platform = await startPlatform({ env: { REDIS_URL: redis.url, LIMIT_SUBMISSIONS_PER_MINUTE: '0' } });
  });
  const config = (name: string, during: string, after: string) => ({
    begin: () => admin.config('SET', name, during),
    end: () => admin.config('SET', name, after),
  });

  it.each([
    ['lacks its replicas (NOREPLICAS)', () => config('min-replicas-to-write', '1', '0')],
    ['is full (OOM)', () => config('maxmemory', '1mb', '0')],
    [
      'is a replica after a failover (READONLY)',
      () => ({
        begin: () => admin.replicaof('127.0.0.1', '1'),
        end: () => admin.replicaof('NO', 'ONE'),
      }),
    ],
    [
      'revokes a permission (NOPERM)',
      () => ({
        begin: () => admin.acl('SETUSER', 'default', '-evalsha', '-eval'),
        end: () => admin.acl('SETUSER', 'default', '+@all'),
      }),
    ],
    [
      'revokes a script’s permission (ERR The user executing the script)',
      () => ({
        begin: () => admin.acl('SETUSER', 'default', '-hset', '-zadd', '-hincrby'),
        end: () => admin.acl('SETUSER', 'default', '+@all'),
      }),
    ],
    [
      'has another password (WRONGPASS)',
      () => ({
        begin: async () => {
          await admin.config('SET', 'requirepass', 'rotated');
          await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        },
        end: () => admin.config('SET', 'requirepass', password),
      }),
    ],
  ])('loses no job where it %s', (_, fault) => expectNothingLost(platform, fault()), 60_000);
});

describe('a temporary fault of Postgres', () => {
  let platform: Platform;
  let admin: pg.Client;
  let password: string;
  const sql =
    (...statements: string[]) =>
    async () => {
      for (const statement of statements) await admin.query(statement);
    };
  const dropConnections = `select pg_terminate_backend(pid) from pg_stat_activity
    where application_name like 'tally-%' and pid <> pg_backend_pid()`;
  const setting = (name: string, value: string) => ({
    begin: sql(`alter system set ${name} = ${value}`, 'select pg_reload_conf()', dropConnections),
    end: sql(`alter system reset ${name}`, 'select pg_reload_conf()', dropConnections),
  });

  beforeAll(async () => {
    const postgres = await ownPostgres(afterAll);
    const url = new URL(postgres.url);
    password = decodeURIComponent(url.password);
    platform = await startPlatform({ env: { DATABASE_URL: postgres.url, LIMIT_SUBMISSIONS_PER_MINUTE: '0' } });
    const options =
      '-c idle_session_timeout=0 -c transaction_timeout=0 -c default_transaction_read_only=off -c statement_timeout=0';
    // A database can't be closed to connections from within itself.
    url.pathname = '/postgres';
    admin = new pg.Client({ connectionString: url.href, options });
    await admin.connect();
    afterAll(() => admin.end());
  });

  it.each([
    ['ends idle sessions (57P05)', () => setting('idle_session_timeout', `'1ms'`)],
    ['ends transactions (25P04)', () => setting('transaction_timeout', `'1ms'`)],
    ['is read only (25006)', () => setting('default_transaction_read_only', 'on')],
    [
      'has another password (28P01)',
      () => ({
        begin: sql(`alter role tally password 'rotated'`, dropConnections),
        end: sql(`alter role tally password '${password}'`),
      }),
    ],
    [
      'forbids the role to log in (28000)',
      () => ({
        begin: sql('alter role tally nologin', dropConnections),
        end: sql('alter role tally login'),
      }),
    ],
    [
      'allows no connections to the database (55000)',
      () => ({
        begin: sql('alter database tally allow_connections false', dropConnections),
        end: sql('alter database tally allow_connections true'),
      }),
    ],
  ])('loses no job where it %s', (_, fault) => expectNothingLost(platform, fault()), 60_000);
});
