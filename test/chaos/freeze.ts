/** Stopping a process for a while, in a way that never outlives this one. */
import { spawn } from 'node:child_process';

/**
 * SIGSTOP; the returned function is SIGCONT. A stopped process can't notice that its parent is gone: should this one die
 * meanwhile, a shell that reads from it wakes the other, which then ends by itself.
 */
export function freeze(pid: number): () => void {
  process.kill(pid, 'SIGSTOP');
  const waker = spawn('/bin/sh', ['-c', `trap '' INT HUP TERM; read -r _; kill -CONT ${pid} 2>/dev/null`], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  return () => void waker.stdin?.end('\n');
}
