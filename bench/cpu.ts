/** Reads the CPU time of other processes from /proc (Linux only). */
import { readFileSync } from 'node:fs';

/** Times in /proc are in hundredths of a second (USER_HZ) on every Linux that Node supports. */
const msPerTick = 10;

/** CPU milliseconds (user and system) of a process with all threads; undefined without /proc. */
export const cpuMsOf = (pid: number): number | undefined => {
  const times = readTimes(pid);
  return times && times.own * msPerTick;
};

/** The same for a server with child processes (Postgres), including ended ones. */
export function cpuMsOfFamily(pid: number): number | undefined {
  const times = readTimes(pid);
  if (times === undefined) return undefined;
  const children = readProc(`${pid}/task/${pid}/children`)?.trim().split(' ').filter(Boolean) ?? [];
  const living = children.reduce((sum, child) => sum + (readTimes(Number(child))?.own ?? 0), 0);
  return (times.own + times.endedChildren + living) * msPerTick;
}

/** Ticks from fields 14 to 17 of proc_pid_stat(5). The name before them may contain spaces and parentheses. */
function readTimes(pid: number): { own: number; endedChildren: number } | undefined {
  const stat = readProc(`${pid}/stat`);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15).map(Number);
  return { own: user + system, endedChildren: endedUser + endedSystem };
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    return undefined;
  }
}
