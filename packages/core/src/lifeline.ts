/** Shuts a process down on a signal, or when its parent process exits. */

/**
 * Calls `shutDown` once, on SIGTERM, SIGINT or SIGHUP (a closed terminal), or when the parent closes the IPC channel,
 * and then exits: 0 when it resolves, 1 when it throws or exceeds `limitMs`, by SIGKILL where the parent is gone.
 */
export function onShutdown(shutDown: (why: string) => Promise<void>, limitMs: number): void {
  let isShuttingDown = false;
  const end = async (why: string): Promise<void> => {
    if (isShuttingDown) return;
    isShuttingDown = true;
    setTimeout(() => process.exit(1), limitMs).unref();
    try {
      await shutDown(why);
      process.exit(0);
    } catch {
      process.exit(1);
    }
  };
  const endOrphaned = (): void => {
    // An exit may wait for V8's threads forever (nodejs/node#54918), and no parent is left to kill the process or read
    // its exit code. This is the last exit listener, so logs are already flushed.
    process.on('exit', () => process.kill(process.pid, 'SIGKILL'));
    void end('parent gone');
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void end(signal));
  // False (not undefined) where the parent died while this process was starting.
  if (process.connected === false) endOrphaned();
  else if (process.connected) process.on('disconnect', endOrphaned);
}

/** Tells the parent process, if any, that this process is ready. */
export function reportReady(message: Record<string, string | number> = {}): void {
  process.send?.({ ready: true, ...message });
}
