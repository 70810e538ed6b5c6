/** Locks DATA_DIR for one `npm start`, because two database servers on the same files would destroy them. */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { commandOf } from '@tally/embedded';
import { LaunchFault } from './fault.ts';

export type Lock = {
  /** True where the last holder ended without release; its child processes may still be ending. */
  tookOver: boolean;
  release(): void;
};

type Holder = { pid: number; url: string };

/** By then, concurrent starts that found the same dead holder have written their own ids. */
const settleMs = 100;

/** Takes the lock for this process, which will serve `url`. @throws LaunchFault naming the holder */
export async function takeLock(dataDir: string, url: string): Promise<Lock> {
  const path = join(dataDir, 'launcher.lock');
  const ownFile = `${path}.${process.pid}`;
  try {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(ownFile, JSON.stringify({ pid: process.pid, url }));
  } catch (error) {
    throw new LaunchFault(`DATA_DIR ${dataDir} can't be written: ${(error as Error).message}`);
  }
  const release = (): void => {
    if (readHolder(path)?.pid === process.pid) rmSync(path, { force: true });
  };
  try {
    // Linking is atomic, and the linked file is already complete.
    if (tryLink(ownFile, path)) return { tookOver: false, release };
    refuseLiving(dataDir, readHolder(path));
    renameSync(ownFile, path);
    await sleep(settleMs);
    refuseLiving(dataDir, readHolder(path));
    return { tookOver: true, release };
  } finally {
    rmSync(ownFile, { force: true });
  }
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function refuseLiving(dataDir: string, holder: Holder | undefined): void {
  if (holder === undefined || holder.pid === process.pid) return;
  // After a crash another process may have the same id.
  if (!commandOf(holder.pid)?.includes('launcher')) return;
  throw new LaunchFault(
    `Tally already runs on ${dataDir} (pid ${holder.pid}, ${holder.url}). Stop it or set DATA_DIR and PORT.`,
  );
}

function readHolder(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}
