import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { servicesFile } from '@tally/core';
import { until } from '@tally/testing';
import { temporaryFolder } from '@tally/testing/vitest';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ask, descendantsOf, type Launched, living, servicesOf, start, startReady } from './fixtures/run.ts';

/** All descendants: API, worker, sandbox, postmaster, redis-server, two guards, and Postgres' own processes. */
function allProcesses(launched: Launched): number[] {
  const pids = descendantsOf(launched.process.pid ?? 0);
  expect(pids.length).toBeGreaterThanOrEqual(7);
  return pids;
}

describe('stopping', { timeout: 120_000 }, () => {
  test.for(['SIGTERM', 'SIGINT'] as const)('by %s exits with 0 and leaves no process or file', async (signal) => {
    const launched = await startReady();
    const pids = allProcesses(launched);

    launched.process.kill(signal);

    expect(await launched.exitCode()).toBe(0);
    expect(living(pids)).toEqual([]);
    expect(existsSync(servicesFile(launched.dataDir))).toBe(false);
    expect(existsSync(join(launched.dataDir, 'launcher.lock'))).toBe(false);
  });

  test('during the start leaves no process', async () => {
    const launched = await start();
    await launched.says('Creating the database');
    const pids = descendantsOf(launched.process.pid ?? 0);

    launched.process.kill('SIGTERM');
    await launched.exitCode();

    expect(living(pids)).toEqual([]);
  });

  test('by SIGKILL ends all; the next start takes over', async () => {
    const launched = await startReady();
    const pids = allProcesses(launched);

    launched.process.kill('SIGKILL');
    const next = await startReady({ DATA_DIR: launched.dataDir, PORT: String(launched.port) });

    await until(() => living(pids).length === 0);
    expect((await ask(next.url)).pid).toBeGreaterThan(0);
  });

  test('happens when its parent is killed', async () => {
    const dataDir = await temporaryFolder();
    const pidFile = join(dataDir, 'pid');
    const script = join(import.meta.dirname, 'fixtures/launch.ts');
    const npm = spawn('/bin/sh', ['-c', `"$0" "$1" & echo $! > "$2"; wait`, process.execPath, script, pidFile], {
      env: { PATH: process.env.PATH, npm_lifecycle_event: 'start', DATA_DIR: dataDir, PORT: '0' },
      stdio: 'ignore',
    });
    onTestFinished(() => void npm.kill('SIGKILL'));
    await until(() => existsSync(servicesFile(dataDir)));
    const pids = descendantsOf(npm.pid ?? 0);

    npm.kill('SIGKILL');

    await until(() => living(pids).length === 0);
    expect(existsSync(join(dataDir, 'launcher.lock'))).toBe(false);
  });
});

describe('a killed process', { timeout: 120_000 }, () => {
  test('is restarted: the API', async () => {
    const launched = await startReady();
    const { pid } = await ask(launched.url);

    process.kill(pid, 'SIGKILL');

    await launched.says(/The api ended \(signal SIGKILL\); it starts again in 0.5 s/);
    await until(async () => (await ask(launched.url).catch(() => ({ pid }))).pid !== pid);
  });

  test('is restarted on its port: Redis, Postgres, the sandbox', async () => {
    const launched = await startReady();
    const services = servicesOf(launched);
    const before = descendantsOf(launched.process.pid ?? 0);
    const sandbox = (await ask(services.OPENAI_BASE_URL ?? '')).pid;
    const isService = /postgres -D|redis-server|server\.ts sandbox/;
    const victims = before.filter((pid) => living([pid]).some((command) => isService.test(command)));
    expect(victims).toHaveLength(3);

    for (const pid of victims) process.kill(pid, 'SIGKILL');

    await launched.says(/Postgres ended \(signal SIGKILL\)/);
    await launched.says(/Redis ended \(signal SIGKILL\)/);
    await until(
      () =>
        descendantsOf(launched.process.pid ?? 0).filter((pid) =>
          living([pid]).some((command) => isService.test(command)),
        ).length === 3,
    );
    await until(
      async () => (await ask(services.OPENAI_BASE_URL ?? '').catch(() => ({ pid: sandbox }))).pid !== sandbox,
    );
    expect(servicesOf(launched)).toEqual(services);
  });
});

describe('a stale lock', { timeout: 120_000 }, () => {
  test('with the process id of another program is ignored', async () => {
    const dataDir = await temporaryFolder();
    writeFileSync(join(dataDir, 'launcher.lock'), JSON.stringify({ pid: process.pid, url: 'http://127.0.0.1:1' }));

    const launched = await startReady({ DATA_DIR: dataDir });

    expect((await ask(launched.url)).env.DATA_DIR).toBe(dataDir);
  });
});
