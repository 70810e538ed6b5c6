/** Lets a process started by another one notice that its parent is gone, and end with it. */

/**
 * Calls `shutDown` once, on SIGTERM, SIGINT or SIGHUP (a closed terminal), or when the parent that holds this process's
 * IPC channel is gone, and then exits: 0 when it resolves, 1 when it throws or takes longer than `limitMs`, and by SIGKILL
 * where the parent is gone.
 */
export function onShutdown(shutDown: (why: string) => Promise<void>, limitMs: number): void {
  let asked = false;
  const end = async (why: string): Promise<void> => {
    if (asked) return;
    asked = true;
    setTimeout(() => process.exit(1), limitMs).unref();
    try {
      await shutDown(why);
      process.exit(0);
    } catch {
      process.exit(1);
    }
  };
  const endAlone = (): void => {
    // An exit may wait for V8's threads for ever (nodejs/node#54918). A parent kills what does not end; here nobody is
    // left to do that, or to ask for the code. The last of the exit's listeners: logs have been written.
    process.on('exit', () => process.kill(process.pid, 'SIGKILL'));
    void end('parent gone');
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void end(signal));
  // False, rather than undefined, for a parent that has died while this process was starting.
  if (process.connected === false) endAlone();
  else if (process.connected) process.on('disconnect', endAlone);
}

/** Tells the parent process, where there is one, that this process is ready for work. */
export function reportReady(message: Record<string, string | number> = {}): void {
  process.send?.({ ready: true, ...message });
}
