/** Reads a page in the browser: waits until it has settled, scrolls through it, and takes a snapshot. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CDPSession } from 'playwright';
import { clickConsent, hasProductData, type PageScript, type Snapshot, scrollOn, snapshot } from './in-page/index.ts';
import {
  markHiddenMs,
  maxDocumentBytes,
  maxScrolls,
  quietMs,
  readReserveMs,
  scrollPauseMs,
  settleMs,
  snapshotMs,
} from './limits.ts';
import type { Watch } from './watch.ts';

export type Reading = {
  cdp: CDPSession;
  watch: Watch;
  /** Deadline of the whole reading, as `Date.now()`. */
  endsAt: number;
  signal: AbortSignal;
};

/**
 * Reads the document. @throws if another document replaces it meanwhile
 * @param loaded false if the wait for its load timed out, so that its scripts have had enough time
 */
export async function readDocument(reading: Reading, loaded: boolean): Promise<Snapshot> {
  if (loaded) await settle(reading);
  if (await run(reading, clickConsent, null)) await sleep(quietMs, undefined, { signal: reading.signal });
  await scrollThrough(reading);
  return takeSnapshot(reading);
}

/** Takes a snapshot without waiting or scrolling. */
export const takeSnapshot = (reading: Reading): Promise<Snapshot> =>
  run(reading, snapshot, { maxMs: markHiddenMs, maxChars: maxDocumentBytes });

/**
 * Waits for data that scripts add. A page with product data needs only a quiet network; any other gets the full time,
 * which is short compared with the model call that the page will need.
 */
async function settle(reading: Reading): Promise<void> {
  const startedAt = Date.now();
  while (Date.now() < startedAt + settleMs) {
    await sleep(100, undefined, { signal: reading.signal });
    const quietForMs = Math.min(reading.watch.quietForMs(), Date.now() - startedAt);
    if (quietForMs >= quietMs && (await run(reading, hasProductData, null))) return;
  }
}

/** Scrolls to the end, which may move as more content loads, and back to the top. */
async function scrollThrough(reading: Reading): Promise<void> {
  for (let scrolls = 0; scrolls < maxScrolls && Date.now() < reading.endsAt - readReserveMs; scrolls++) {
    const isFurther = await run(reading, scrollOn, { to: 'next' });
    if (!isFurther) break;
    await sleep(scrollPauseMs, undefined, { signal: reading.signal });
  }
  await run(reading, scrollOn, { to: 'top' });
}

/** Runs a script in an isolated world, where the page's scripts can neither see nor change it. */
async function run<Input, Output>(reading: Reading, script: PageScript<Input, Output>, input: Input): Promise<Output> {
  const { cdp, watch } = reading;
  const world = await cdp.send('Page.createIsolatedWorld', { frameId: watch.frameId(), worldName: 'tally' });
  const { result, exceptionDetails } = await cdp.send('Runtime.evaluate', {
    expression: `(${script.source})(${JSON.stringify(input)})`,
    contextId: world.executionContextId,
    returnByValue: true,
    timeout: snapshotMs,
  });
  if (exceptionDetails) throw new Error(`a script in the page failed: ${exceptionDetails.exception?.description}`);
  return result.value as Output;
}
