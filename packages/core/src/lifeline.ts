/** Lets a process started by another one notice that its parent is gone, and end with it. */

/**
 * Calls `shutDown` once, on SIGTERM, SIGINT or SIGHUP (a closed terminal), or when the parent that holds this process's
 * IPC channel is gone, and then exits: 0 when it resolves, 1 when it throws or takes longer than `limitMs`.
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
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void end(signal));
  // False, rather than undefined, for a parent that has died while this process was starting.
  if (process.connected === false) void end('parent gone');
  else if (process.connected) process.on('disconnect', () => void end('parent gone'));
}

/** Tells the parent process, where there is one, that this process is ready for work. */
export function reportReady(message: Record<string, string | number> = {}): void {
  process.send?.({ ready: true, ...message });
}
