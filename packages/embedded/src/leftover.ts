/** Finds and ends processes of an earlier run before their folder is used again. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Whether a process with this id exists, under any user. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The command line of a running process, joined by spaces; undefined for a missing process or a zombie. */
export function commandOf(pid: number): string | undefined {
  if (!isAlive(pid)) return undefined;
  if (process.platform === 'linux') {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim() || undefined;
    } catch {
      return undefined;
    }
  }
  return spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim() || undefined;
}

/**
 * Ends the process in the first line of `pidFile` if its command line contains `trait`. Harmless if its guard is ending
 * it at the same time. @throws Error where it does not end within 10 s
 */
export async function endLeftover(
  pidFile: string,
  { trait, signal }: { trait: string; signal: NodeJS.Signals },
): Promise<void> {
  const pid = readPid(pidFile);
  if (pid === undefined) return;
  const deadline = Date.now() + 10_000;
  for (let signalled = false; commandOf(pid)?.includes(trait); signalled = true) {
    if (!signalled) process.kill(pid, signal);
    if (Date.now() > deadline) throw new Error(`process ${pid} of an earlier run does not end: ${commandOf(pid)}`);
    await sleep(50);
  }
}

function readPid(pidFile: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10);
    return pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}
