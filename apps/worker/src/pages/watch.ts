/** Watches a page while it is read, and stops the reading when the page breaks a rule or exceeds a limit. */
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
import { browserEnded, classifyNetworkError, classifyResponse, tooLarge, tooManyRedirects } from './verdict.ts';

export type Watch = {
  /** Number of documents the main frame has shown: equal counts mean that no navigation happened in between. */
  documents(): number;
  /** The main frame's id in the DevTools protocol. */
  frameId(): string;
  /** HTTP status of the last document. */
  status(): number;
  /** Milliseconds without a pending request. */
  quietForMs(): number;
};

export type Watched = {
  context: BrowserContext;
  page: Page;
  cdp: CDPSession;
  guard: Guard;
  policy: AddressPolicy;
  /** Called if the page has crashed. */
  ranOutOfMemory: () => boolean;
  /** Ends the reading with this error; only the first call counts. */
  stop: (error: TallyError) => void;
};

const unneeded: ReadonlySet<string> = new Set(['media', 'font']);
/** Requests that stay open as long as the page. */
const endless: ReadonlySet<string> = new Set(['eventsource', 'websocket', 'ping']);
/** Scripts may remove images that fail to load, so images get a placeholder that loads and has a size. */
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

/** Filters each request before it is sent. Redirects bypass this; the proxy checks them. */
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
    // Fails only if the page is closed.
    await decide().catch(() => undefined);
  };
}

/** Checks the main frame's navigations and redirects. */
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
    const verdict = refusal ?? classifyResponse(status, response.headers());
    if (verdict) stop(verdict);
  });
  page.on('requestfailed', (request) => {
    const text = request.failure()?.errorText ?? '';
    // ERR_ABORTED means another navigation, which is checked itself, or a download, which `goto` reports.
    if (!isMainDocument(page, request) || text.includes('ERR_ABORTED')) return;
    stop(guard.failureAt(request.url()) ?? classifyNetworkError(text));
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

/** Returns the milliseconds without a pending request, apart from those that stay open. */
function watchTraffic(page: Page): () => number {
  const pending = new Set<Request>();
  let lastAt = Date.now();
  page.on('request', (request) => {
    if (!endless.has(request.resourceType())) pending.add(request);
    lastAt = Date.now();
  });
  const ended = (request: Request) => {
    pending.delete(request);
    lastAt = Date.now();
  };
  page.on('requestfinished', ended);
  page.on('requestfailed', ended);
  return () => (pending.size > 0 ? 0 : Date.now() - lastAt);
}

/** Counts bytes after decompression, since a bomb is small on the wire. Checks redirects before they are followed. */
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
  // A redirect to a scheme that the browser hands to other programs causes no further event.
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
