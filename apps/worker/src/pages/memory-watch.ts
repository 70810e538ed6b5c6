/** Ends a renderer that takes more memory than a page may: what pages unpack and allocate is bounded nowhere else. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CDPSession } from 'playwright';
import { maxRendererBytes, memoryLookMs } from './limits.ts';

export type MemoryWatch = {
  /** Looks for as long as somebody has a page open; returns how to say that this one has none any more. */
  begin(): () => void;
  /** Whether a renderer was ended just now: the page that crashes then was it. */
  hasEndedOne(): boolean;
};

/** From the end of a renderer to the news of it. */
const newsMs = 3_000;

/** Watches the renderers of the browser whose session this is. Where there is no /proc, on macOS, it sees nothing. */
export function watchMemory(session: CDPSession): MemoryWatch {
  let open = 0;
  let isLooking = false;
  let endedAt = Number.NEGATIVE_INFINITY;

  async function look(): Promise<void> {
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    const renderers = processInfo.filter(({ type }) => type === 'renderer');
    await Promise.all(
      renderers.map(async ({ id }) => {
        if ((await residentBytes(id)) <= maxRendererBytes) return;
        endedAt = performance.now();
        process.kill(id, 'SIGKILL');
      }),
    );
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

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1_024;
}
