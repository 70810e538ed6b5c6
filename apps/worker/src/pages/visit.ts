/** One visit to one page, in a browser context of its own that is always closed afterwards. */
import { type Logger, TallyError } from '@tally/core';
import type { AddressPolicy, RenderedPage } from '@tally/extraction';
import type { BrowserContext, Page } from 'playwright';
import type { BrowserHost } from './chromium/browser.ts';
import type { Snapshot } from './in-page/index.ts';
import { loadShare } from './limits.ts';
import type { Guard } from './proxy/guard.ts';
import { type Reading, readDocument, takeSnapshot } from './read-document.ts';
import { untilAborted } from './until-aborted.ts';
import { browserEnded, classifyNetworkError, classifyPage, tooLarge } from './verdict.ts';
import { watchPage } from './watch.ts';

export type Visit = {
  url: string;
  browser: BrowserHost;
  guard: Guard;
  policy: AddressPolicy;
  endsAt: number;
  /** Aborting it ends the visit with the reason, and closes the context at once. */
  stop: AbortController;
  log: Logger;
};

/** @throws TallyError as the page reader does, and the reason of `stop` */
export async function visit(visit: Visit): Promise<RenderedPage> {
  const { browser, stop } = visit;
  const opening = browser.newContext(visit.guard.proxyUrl);
  let context: BrowserContext | undefined;
  const ranOutOfMemory = () => context !== undefined && browser.ranOutOfMemory(context);
  try {
    context = await untilAborted(opening, stop.signal);
    return await untilAborted(readIn(context, visit), stop.signal);
  } catch (error) {
    if (error instanceof TallyError || stop.signal.aborted) throw error;
    const text = error instanceof Error ? error.message : String(error);
    // The error of a pending call may arrive before the crash event.
    if (/has been closed|Target closed|crashed/i.test(text)) throw ranOutOfMemory() ? tooLarge() : browserEnded();
    // Playwright's message contains the address, which must not be logged.
    const reason = text.split('\n', 1)[0]?.replace(/https?:\S+/g, '…');
    visit.log.info({ host: new URL(visit.url).host, reason }, 'page not read');
    throw classifyNetworkError(text);
  } finally {
    await opening.then(browser.discard, () => undefined);
  }
}

async function readIn(context: BrowserContext, visit: Visit): Promise<RenderedPage> {
  const { url, browser, guard, policy, endsAt, stop } = visit;
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  const watch = await watchPage({
    context,
    page,
    cdp,
    guard,
    policy,
    ranOutOfMemory: () => browser.ranOutOfMemory(context),
    stop: (error) => stop.abort(error),
  });
  const reading: Reading = { cdp, watch, endsAt, signal: stop.signal };
  const loadEndsAt = Date.now() + (endsAt - Date.now()) * loadShare;
  await page.goto(url, { waitUntil: 'commit' });
  for (;;) {
    const loaded = await load(page, loadEndsAt);
    const document = watch.documents();
    const isDown = watch.status() >= 500;
    const snapshot = await (isDown ? takeSnapshot(reading) : readDocument(reading, loaded)).catch((error: unknown) => {
      // The page navigated to another document, which is read instead.
      if (watch.documents() === document || stop.signal.aborted) throw error;
      return undefined;
    });
    if (snapshot === undefined || watch.documents() !== document) continue;
    if (!snapshot.seen) visit.log.info({ host: new URL(url).host }, 'page not searched for hidden text to its end');
    return toRenderedPage(page, watch.status(), snapshot);
  }
}

/** Waits for the page; false if subresources, such as hanging trackers, are missing when the time is up. */
async function load(page: Page, loadEndsAt: number): Promise<boolean> {
  await page.waitForLoadState('domcontentloaded');
  try {
    await page.waitForLoadState('load', { timeout: Math.max(1, loadEndsAt - Date.now()) });
    return true;
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') return false;
    throw error;
  }
}

function toRenderedPage(page: Page, status: number, snapshot: Snapshot): RenderedPage {
  const verdict = classifyPage(status, snapshot);
  if (verdict) throw verdict;
  const url = new URL(page.url());
  url.hash = '';
  return { url: url.href, status, html: snapshot.html ?? '' };
}
