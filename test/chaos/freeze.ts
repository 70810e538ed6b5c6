/** Stops a process with SIGSTOP such that it resumes even if this process dies. */
import { spawn } from 'node:child_process';

/**
 * Sends SIGSTOP; the returned function sends SIGCONT. A stopped process can't detect that its parent has died, so a
 * shell that reads from this process resumes it then, and it exits by itself.
 */
export function freeze(pid: number): () => void {
  process.kill(pid, 'SIGSTOP');
  const waker = spawn('/bin/sh', ['-c', `trap '' INT HUP TERM; read -r _; kill -CONT ${pid} 2>/dev/null`], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  return () => void waker.stdin?.end('\n');
}
