/** Classifies websites' responses as errors with fixed texts, since a response may contain anything. */
import { TallyError } from '@tally/core';
import { addressRefusals } from '@tally/extraction';
import type { Snapshot } from './in-page/index.ts';

export const browserEnded = () => new TallyError('unavailable', 'The browser ended while it read the page');
export const tooLarge = () => new TallyError('too_large', 'The page is larger than can be read');
export const tooSlow = () => new TallyError('timeout', 'The page did not load in time');
export const tooManyRedirects = () => new TallyError('unavailable', 'The page redirects too often');
const blocked = () => new TallyError('blocked', 'The website does not let automated readers see this page');
const notFound = () => new TallyError('page_not_found', 'There is no page at this address');
const notAPage = () => new TallyError('page_not_found', 'There is a file at this address, not a web page');
const unavailable = () => new TallyError('unavailable', 'The website could not show the page');

const refusals: ReadonlySet<number> = new Set([401, 403, 407, 429, 451]);
const readable = /html|xml|json|^text\/plain/i;

/** Classifies a response by its status and headers; undefined if the page itself must be read. */
export function classifyResponse(status: number, headers: Record<string, string>): TallyError | undefined {
  if (refusals.has(status) || headers['cf-mitigated'] === 'challenge') return blocked();
  if (status === 404 || status === 410) return notFound();
  // A 5xx may be a challenge page, which can be recognised only once it has loaded.
  if (status >= 400 && status < 500) return unavailable();
  const type = headers['content-type'];
  return type === undefined || readable.test(type) ? undefined : notAPage();
}

/** Titles and texts of the challenge pages of Cloudflare, DataDome, PerimeterX, Akamai, Imperva and AWS. */
const challengeTitles =
  /^(just a moment|attention required|access denied|access to this page has been denied|pardon our interruption|(please )?verify(ing)? (that )?you are (a )?human|are you (a )?(human|robot)|robot check|security check|human verification|ddos-guard|checking your browser|captcha)\b/i;
const challengeTexts =
  /edgesuite\.net|reference #[\d.]+[a-f\d]|press (and|&) hold|incapsula incident|unusual traffic|enable javascript and cookies to continue|please enable js and disable any ad blocker/i;
/** A page with a captcha and hardly any other text is a challenge; with more text it may be a contact form. */
const maxCaptchaPageChars = 600;

/** Classifies a loaded page: a challenge, a server error, or too large; undefined if it can be used. */
export function classifyPage(status: number, page: Snapshot): TallyError | undefined {
  const isSmall = page.text !== '' && page.text.length < 2_000;
  const isCaptcha = page.captcha && page.text.trim().length <= maxCaptchaPageChars;
  if (isSmall && (challengeTitles.test(page.title.trim()) || challengeTexts.test(page.text))) return blocked();
  if (isCaptcha && page.html !== null && page.html.length < 100_000) return blocked();
  if (status >= 500) return unavailable();
  return page.html === null ? tooLarge() : undefined;
}

/** Translates a network error of Chromium's, such as `net::ERR_CONNECTION_REFUSED`. */
export function classifyNetworkError(text: string): TallyError {
  if (/ERR_(UNSAFE_REDIRECT|UNKNOWN_URL_SCHEME|DISALLOWED_URL_SCHEME|INVALID_REDIRECT)/.test(text))
    return new TallyError('address_refused', addressRefusals.scheme);
  if (/ERR_TOO_MANY_REDIRECTS/.test(text)) return tooManyRedirects();
  if (/ERR_CERT_|ERR_SSL_/.test(text))
    return new TallyError('unavailable', 'The website has no valid certificate for a secure connection');
  if (/ERR_ABORTED|Download is starting/.test(text)) return notAPage();
  return unavailable();
}
