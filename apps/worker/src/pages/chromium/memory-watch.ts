/** Kills browser processes above their memory limit: nothing else bounds what pages unpack, allocate and store. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CDPSession } from 'playwright';
import { maxBrowserBytes, maxRendererBytes, memoryCheckMs } from '../limits.ts';

export type MemoryWatch = {
  /** Registers an open page and returns the function that unregisters it; checks run while any page is open. */
  begin(): () => void;
  /** Whether a renderer or the browser was killed within `crashReportMs`, so that a page's crash is due to memory. */
  hasEndedOne(): boolean;
};

/** Longest time from the kill of a renderer to its crash event. */
const crashReportMs = 3_000;

/**
 * Watches the processes of the session's browser: each renderer by itself, and all others together, since they hold
 * what pages store. Without /proc, as on macOS, all sizes are 0.
 */
export function watchMemory(session: CDPSession): MemoryWatch {
  let open = 0;
  let isChecking = false;
  let endedAt = Number.NEGATIVE_INFINITY;

  async function checkOnce(): Promise<void> {
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    const sizes = await Promise.all(processInfo.map(async ({ id, type }) => ({ id, type, bytes: await ownBytes(id) })));
    const [renderers, others] = [
      sizes.filter(({ type }) => type === 'renderer'),
      sizes.filter(({ type }) => type !== 'renderer'),
    ];
    const isTooMuch = others.reduce((sum, { bytes }) => sum + bytes, 0) > maxBrowserBytes;
    for (const { id } of isTooMuch ? others : renderers.filter(({ bytes }) => bytes > maxRendererBytes)) {
      endedAt = performance.now();
      process.kill(id, 'SIGKILL');
    }
  }

  async function checkWhileOpen(): Promise<void> {
    isChecking = true;
    while (open > 0) {
      await sleep(memoryCheckMs);
      // Fails only if the browser or the renderer has just ended.
      await checkOnce().catch(() => undefined);
    }
    isChecking = false;
  }

  return {
    begin() {
      open++;
      if (!isChecking) void checkWhileOpen();
      return () => void open--;
    },
    hasEndedOne: () => performance.now() - endedAt < crashReportMs,
  };
}

/** Private memory of a process, without shared program text and fonts. */
async function ownBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  const kilobytes = ['RssAnon', 'RssShmem'].map((name) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0),
  );
  return kilobytes.reduce((sum, value) => sum + value, 0) * 1_024;
}
