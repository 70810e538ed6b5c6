import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@tally/testing';
import { temporaryFolder } from '@tally/testing/vitest';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Postgres, type PostgresOptions, startPostgres } from '../src/index.ts';
import { query } from './fixtures/owners.ts';

async function start(options: Partial<PostgresOptions> = {}): Promise<Postgres> {
  const postgres = await startPostgres({ dataDir: await temporaryFolder(), durable: false, ...options });
  onTestFinished(() => postgres.discard());
  return postgres;
}

describe('embedded Postgres', { timeout: 120_000 }, () => {
  test('is version 18 with UTF-8, a password, and durability', async () => {
    const postgres = await start({ durable: true });

    const [row] = await query(
      postgres.url,
      `SELECT current_setting('server_version_num')::int / 10000 AS version, current_setting('server_encoding') AS encoding,
              current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit, current_database() AS name`,
    );

    expect(row).toEqual({ version: 18, encoding: 'UTF8', fsync: 'on', commit: 'on', name: 'tally' });
    const withoutPassword = postgres.url.replace(/:[^:@]+@/, ':wrong@');
    await expect(query(withoutPassword, 'SELECT 1')).rejects.toThrow(/password authentication failed/);
  });

  test('handles Persian and accented text in any system locale', async () => {
    const postgres = await start();

    const [row] = await query(
      postgres.url,
      `SELECT lower('ÉCOLE') AS lower, 'É' ILIKE 'é' AS same,
              to_tsvector('«لامپ» و چراغ، چند است؟') @@ websearch_to_tsquery('لامپ چراغ است') AS found`,
    );

    expect(row).toEqual({ lower: 'école', same: true, found: true });
  });

  test('keeps its password in a file readable by its user only', async () => {
    const dataDir = await temporaryFolder();
    const postgres = await start({ dataDir });
    const file = join(dataDir, 'postgres', 'password');

    expect(postgres.url).toContain(readFileSync(file, 'utf8').trim());
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test.for(['fast', 'immediate'] as const)('keeps its data and port over a %s restart', async (mode) => {
    const postgres = await start();
    await query(postgres.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    const before = postgres.pid;

    await postgres.restart(mode);

    expect(await query(postgres.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    expect(postgres.pid).not.toBe(before);
  });

  test('keeps its data over repeated SIGKILL', async () => {
    const postgres = await start();
    await query(postgres.url, 'CREATE TABLE kept (round int)');

    for (let round = 0; round < 5; round++) {
      await query(postgres.url, `INSERT INTO kept VALUES (${round})`);
      await postgres.kill();
      await postgres.restart();
    }

    expect(await query(postgres.url, 'SELECT count(*)::int AS rows FROM kept')).toEqual([{ rows: 5 }]);
  });

  test('keeps its data until the next start', async () => {
    const dataDir = await temporaryFolder();
    const first = await start({ dataDir });
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();

    const second = await start({ dataDir });

    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  test('runs beside a second instance', async () => {
    const [one, two] = await Promise.all([start(), start()]);

    await Promise.all([
      query(one.url, 'CREATE TABLE mine AS SELECT 1 AS n'),
      query(two.url, 'CREATE TABLE mine AS SELECT 2 AS n'),
    ]);

    expect(await query(one.url, 'SELECT n FROM mine')).toEqual([{ n: 1 }]);
    expect(await query(two.url, 'SELECT n FROM mine')).toEqual([{ n: 2 }]);
  });

  test('reports unexpected exits only', async () => {
    const deaths: string[] = [];
    const postgres = await start({ onDeath: (how) => deaths.push(how) });

    await postgres.restart();
    expect(deaths).toEqual([]);
    process.kill(postgres.pid, 'SIGKILL');
    await until(() => deaths.length > 0, 20_000);
    await postgres.restart();

    expect(deaths).toEqual(['signal SIGKILL']);
    expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('reports why it does not start', async () => {
    const other = await start();

    await expect(start({ port: other.port })).rejects.toThrow(/did not start: could not create any TCP\/IP sockets/);
  });
});
