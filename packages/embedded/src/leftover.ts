/** Processes of an earlier run: whether one still lives, and ending it before its folder is used again. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Whether a process with this id exists, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The command line of a living process, its parts joined by spaces; undefined where there is none (or it is a zombie). */
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
 * Ends the process named in the first line of `pidFile`, if it is one whose command line contains `trait`. Its guard may
 * be about to: then this does no harm, and waits for it. @throws when it does not end within 10 s
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
