import { newConfig, testLog } from '@tally/testing/vitest';
import { expect, it, onTestFinished } from 'vitest';
import { connectDatabase, withAdvisoryLock } from '../src/index.ts';

const { databaseUrl } = await newConfig();

function newProcess() {
  const db = connectDatabase({ url: databaseUrl, name: 'test', log: testLog, connections: 1 });
  onTestFinished(() => db.close());
  return db;
}
const pidOf = async ({ locks }: ReturnType<typeof newProcess>) =>
  (await locks.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid;

it('runs work in one process at a time', async () => {
  const [mine, theirs] = [newProcess(), newProcess()];
  const tries: boolean[] = [];
  const attempt = async () => tries.push(await withAdvisoryLock(theirs, 'sweep', async () => undefined));
  expect(await withAdvisoryLock(mine, 'sweep', async () => void (await attempt()))).toBe(true);
  await attempt();
  expect(tries).toEqual([false, true]);
});

it('leaves the ordinary connections free, with twenty locks at once', async () => {
  const db = newProcess();
  const work = async () => void (await db.pool.query('select'));
  const done = await Promise.all(Array.from({ length: 20 }, (_, i) => withAdvisoryLock(db, `work ${i}`, work)));
  expect(done).toEqual(Array(20).fill(true));
});

it('frees the lock when the work fails or the connection breaks', async () => {
  const [mine, theirs] = [newProcess(), newProcess()];
  const failing = withAdvisoryLock(mine, 'audit', () => Promise.reject(new Error('failed')));
  await expect(failing).rejects.toThrow('failed');
  expect(await withAdvisoryLock(theirs, 'audit', async () => undefined)).toBe(true);
  const pid = await pidOf(mine);
  await withAdvisoryLock(mine, 'audit', async () => {
    await theirs.pool.query('select pg_terminate_backend($1, 5000)', [pid]);
    expect(await withAdvisoryLock(theirs, 'audit', async () => undefined)).toBe(true);
  });
  expect(await withAdvisoryLock(mine, 'audit', async () => undefined)).toBe(true);
});
