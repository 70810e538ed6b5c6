/** Ends what takes more memory than a page may: what pages unpack, allocate and store is bounded nowhere else. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CDPSession } from 'playwright';
import { maxBrowserBytes, maxRendererBytes, memoryLookMs } from '../limits.ts';

export type MemoryWatch = {
  /** Looks for as long as somebody has a page open; returns how to say that this one has none any more. */
  begin(): () => void;
  /** Whether a renderer, or the whole browser, was ended just now: the page that crashes then was it. */
  hasEndedOne(): boolean;
};

/** From the end of a renderer to the news of it. */
const newsMs = 3_000;

/**
 * Watches the processes of the browser whose session this is: each renderer, and together all others, which keep what pages
 * store. Where there is no /proc, on macOS, it sees nothing.
 */
export function watchMemory(session: CDPSession): MemoryWatch {
  let open = 0;
  let isLooking = false;
  let endedAt = Number.NEGATIVE_INFINITY;

  async function look(): Promise<void> {
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

  async function keepLooking(): Promise<void> {
    isLooking = true;
    while (open > 0) {
      await sleep(memoryLookMs);
      // Fails only where the browser, or the renderer in question, has just ended.
      await look().catch(() => undefined);
    }
    isLooking = false;
  }

  return {
    begin() {
      open++;
      if (!isLooking) void keepLooking();
      return () => void open--;
    },
    hasEndedOne: () => performance.now() - endedAt < newsMs,
  };
}

/** Without what it shares with others: its program's text, and fonts. */
async function ownBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  const kilobytes = ['RssAnon', 'RssShmem'].map((name) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0),
  );
  return kilobytes.reduce((sum, value) => sum + value, 0) * 1_024;
}
