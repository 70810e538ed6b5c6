/** Watches a page while it is read, and stops the reading at what a page must not do, be or cost. */
import { TallyError } from '@tally/core';
import { type AddressPolicy, checkPageAddress } from '@tally/extraction';
import type { BrowserContext, CDPSession, Page, Request, Response, Route } from 'playwright';
import {
  maxDocumentBytes,
  maxNavigations,
  maxPageBytes,
  maxRequests,
  maxStoredBytes,
  maxStoringOrigins,
} from './limits.ts';
import { type Guard, guardHeader } from './proxy/guard.ts';
import { browserEnded, judgeAnswer, judgeNetworkError, tooLarge, tooManyRedirects } from './verdict.ts';

export type Watch = {
  /** How many documents the main frame has shown: a page that reads the same before and after stayed what it was. */
  documents(): number;
  /** The main frame's id in the DevTools protocol. */
  frameId(): string;
  /** HTTP status of the last document. */
  status(): number;
  /** For how long nothing has been on its way. */
  quietForMs(): number;
};

export type Watched = {
  context: BrowserContext;
  page: Page;
  cdp: CDPSession;
  guard: Guard;
  policy: AddressPolicy;
  /** Asked where the page has crashed. */
  ranOutOfMemory: () => boolean;
  /** Ends the reading with this error; the first one counts. */
  stop: (error: TallyError) => void;
};

const unneeded: ReadonlySet<string> = new Set(['media', 'font']);
/** Open for as long as the page is. */
const endless: ReadonlySet<string> = new Set(['eventsource', 'websocket', 'ping']);
/** An image that failed may be taken out of the page by its script; one that came, and takes up room, stays. */
const placeholder = '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="300"/>';

export async function watchPage(watched: Watched): Promise<Watch> {
  const { context, page, stop } = watched;
  page.on('crash', () => stop(watched.ranOutOfMemory() ? tooLarge() : browserEnded()));
  page.on('dialog', (dialog) => dialog.dismiss().catch(() => undefined));
  context.on('page', (popup) => {
    if (popup !== page) popup.close().catch(() => undefined);
  });
  await context.route('**/*', limitRequests());
  const navigation = watchNavigation(watched);
  const quietForMs = watchTraffic(page);
  const main = await watchDocument(watched);
  return { ...main, ...navigation, quietForMs };
}

/** Decides about each request before it leaves. Redirects don't come by here: the guard sees those. */
function limitRequests(): (route: Route, request: Request) => Promise<void> {
  let requests = 0;
  return async (route, request) => {
    const type = request.resourceType();
    const isWeb = /^https?:/.test(request.url());
    const decide = () => {
      if (type === 'image') return route.fulfill({ contentType: 'image/svg+xml', body: placeholder });
      if (unneeded.has(type) || !isWeb || ++requests > maxRequests) return route.abort('blockedbyclient');
      return route.continue();
    };
    // Fails only where the page is gone.
    await decide().catch(() => undefined);
  };
}

/** Follows where the main frame goes, on its own account or by redirects. */
function watchNavigation({ page, guard, policy, stop }: Watched): Pick<Watch, 'status'> {
  let navigations = 0;
  let status = 0;

  page.on('request', (request) => {
    if (!isMainDocument(page, request)) return;
    if (++navigations > maxNavigations) stop(tooManyRedirects());
    stopUnlessPublic(request.url(), policy, stop);
  });
  page.on('response', (response) => {
    if (!isMainDocument(page, response.request()) || isRedirect(response)) return;
    status = response.status();
    const refusal = guardHeader in response.headers() ? guard.failureAt(response.url()) : undefined;
    const verdict = refusal ?? judgeAnswer(status, response.headers());
    if (verdict) stop(verdict);
  });
  page.on('requestfailed', (request) => {
    const text = request.failure()?.errorText ?? '';
    // Aborted: another navigation came between, or a download; the first says so itself where it matters.
    if (!isMainDocument(page, request) || text.includes('ERR_ABORTED')) return;
    stop(guard.failureAt(request.url()) ?? judgeNetworkError(text));
  });
  return { status: () => status };
}

function stopUnlessPublic(url: string, policy: AddressPolicy, stop: Watched['stop']): void {
  try {
    checkPageAddress(url, policy);
  } catch (error) {
    if (error instanceof TallyError) stop(error);
  }
}

const isMainDocument = (page: Page, request: Request) =>
  request.isNavigationRequest() && request.frame() === page.mainFrame();

const isRedirect = (response: Response) =>
  response.status() >= 300 && response.status() < 400 && 'location' in response.headers();

/** Returns for how long nothing that ends by itself has been on its way. */
function watchTraffic(page: Page): () => number {
  const underway = new Set<Request>();
  let lastAt = Date.now();
  page.on('request', (request) => {
    if (!endless.has(request.resourceType())) underway.add(request);
    lastAt = Date.now();
  });
  const ended = (request: Request) => {
    underway.delete(request);
    lastAt = Date.now();
  };
  page.on('requestfinished', ended);
  page.on('requestfailed', ended);
  return () => (underway.size > 0 ? 0 : Date.now() - lastAt);
}

/** Counts what comes out of decompression, since on the wire a bomb is small; and reads redirects before they're followed. */
async function watchDocument({ cdp, policy, stop }: Watched): Promise<Pick<Watch, 'documents' | 'frameId'>> {
  const { frameTree } = await cdp.send('Page.getFrameTree');
  let frameId = frameTree.frame.id;
  let documents = 0;
  let documentRequest = '';
  let documentUrl = '';
  let documentBytes = 0;
  let pageBytes = 0;
  const storing = new Set<string>();
  cdp.on('Page.frameNavigated', ({ frame }) => {
    const origin = frame.securityOrigin;
    if (/^https?:/.test(origin) && !storing.has(origin) && storing.size < maxStoringOrigins) {
      storing.add(origin);
      cdp.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: maxStoredBytes }).catch(() => undefined);
    }
    if (frame.parentId !== undefined) return;
    frameId = frame.id;
    documents++;
  });
  cdp.on('Network.requestWillBeSent', ({ requestId, type, frameId: from, request }) => {
    if (type !== 'Document' || from !== frameId) return;
    documentRequest = requestId;
    documentUrl = request.url;
    documentBytes = 0;
  });
  // A redirect to a scheme that the browser leaves to other programs ends without a word.
  cdp.on('Network.responseReceivedExtraInfo', ({ requestId, statusCode, headers }) => {
    const location = Object.entries(headers).find(([name]) => name.toLowerCase() === 'location')?.[1];
    if (requestId !== documentRequest || statusCode < 300 || statusCode > 399 || location === undefined) return;
    if (URL.canParse(location, documentUrl)) stopUnlessPublic(new URL(location, documentUrl).href, policy, stop);
  });
  cdp.on('Network.dataReceived', ({ requestId, dataLength }) => {
    pageBytes += dataLength;
    if (requestId === documentRequest) documentBytes += dataLength;
    if (documentBytes > maxDocumentBytes || pageBytes > maxPageBytes) stop(tooLarge());
  });
  await Promise.all([cdp.send('Page.enable'), cdp.send('Network.enable')]);
  return { documents: () => documents, frameId: () => frameId };
}
