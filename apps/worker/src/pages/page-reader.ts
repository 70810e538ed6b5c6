/** Reads web pages in a browser that can reach public addresses only. */
import type { Logger } from '@tally/core';
import { type AddressPolicy, checkPageAddress, type RenderedPage } from '@tally/extraction';
import { createBrowserHost } from './chromium/browser.ts';
import { defaultTimeoutMs, hardTimeoutMs, maxPageBytes, maxPagesAtOnce } from './limits.ts';
import { type Network, realNetwork } from './proxy/dial.ts';
import { openGuard } from './proxy/guard.ts';
import { createSlots } from './slots.ts';
import { untilAborted } from './until-aborted.ts';
import { tooLarge, tooSlow } from './verdict.ts';
import { visit } from './visit.ts';

export type PageReader = {
  /**
   * Opens `url` and reads it once it has settled.
   * @throws TallyError `address_refused` (a non-public address, also by redirect or DNS), `page_not_found` (404, 410,
   * no such host), `blocked` (401, 403, 429, a challenge page), `too_large`, `timeout`, `unavailable` (any other error)
   */
  open(url: string, options: { signal: AbortSignal }): Promise<RenderedPage>;
};

export type PageReaderOptions = {
  policy: AddressPolicy;
  log: Logger;
  /** The only Chromium to use; by default the first one found. */
  chromiumPath?: string | undefined;
  /** For the whole page, once it has a slot; default 20 s, at most 30 s. */
  timeoutMs?: number;
  network?: Partial<Network>;
  /** Waits for a free slot; by default the reader has slots of its own. */
  takeSlot?: ReturnType<typeof createSlots>;
};

/** The browser starts with the first page. `close` ends it and all pages that are being read. */
export function createPageReader(options: PageReaderOptions): PageReader & { close(): Promise<void> } {
  const { policy, log } = options;
  const network: Network = { ...realNetwork, ...options.network };
  const timeoutMs = Math.min(options.timeoutMs ?? defaultTimeoutMs, hardTimeoutMs);
  const browser = createBrowserHost({ chromiumPath: options.chromiumPath, log });
  const takeSlot = options.takeSlot ?? createSlots(maxPagesAtOnce);

  async function open(url: string, { signal }: { signal: AbortSignal }): Promise<RenderedPage> {
    checkPageAddress(url, policy);
    const freeSlot = await takeSlot(signal);
    const stop = new AbortController();
    const onAbort = () => stop.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const deadline = setTimeout(() => stop.abort(tooSlow()), timeoutMs);
    try {
      // The caller does not wait for the clean-up, but the next page does: it releases the slot.
      const page = readBehindGuard(url, stop).finally(freeSlot);
      return await untilAborted(page, stop.signal);
    } finally {
      clearTimeout(deadline);
      signal.removeEventListener('abort', onAbort);
    }
  }

  async function readBehindGuard(url: string, stop: AbortController): Promise<RenderedPage> {
    const endsAt = Date.now() + timeoutMs;
    const guard = await openGuard({
      policy,
      network,
      maxBytes: maxPageBytes,
      onTooManyBytes: () => stop.abort(tooLarge()),
    });
    try {
      return await visit({ url, browser, guard, policy, endsAt, stop, log });
    } finally {
      log.debug({ host: new URL(url).host, ms: Date.now() - endsAt + timeoutMs }, 'page visited');
      guard.close();
    }
  }

  return { open, close: () => browser.close() };
}
