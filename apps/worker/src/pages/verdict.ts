/** What a website's answer means to the tenant: fixed words, since the answer itself is the website's. */
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

/** Judges the head of an answer; undefined where the page has to be looked at. */
export function judgeAnswer(status: number, headers: Record<string, string>): TallyError | undefined {
  if (refusals.has(status) || headers['cf-mitigated'] === 'challenge') return blocked();
  if (status === 404 || status === 410) return notFound();
  // A 5xx may hide a challenge, and shows it only once it has loaded.
  if (status >= 400 && status < 500) return unavailable();
  const type = headers['content-type'];
  return type === undefined || readable.test(type) ? undefined : notAPage();
}

/** Titles and texts of the pages that Cloudflare, DataDome, PerimeterX, Akamai, Imperva and AWS put in front of others. */
const challengeTitles =
  /^(just a moment|attention required|access denied|access to this page has been denied|pardon our interruption|(please )?verify(ing)? (that )?you are (a )?human|are you (a )?(human|robot)|robot check|security check|human verification|ddos-guard|checking your browser|captcha)\b/i;
const challengeTexts =
  /edgesuite\.net|reference #[\d.]+[a-f\d]|press (and|&) hold|incapsula incident|unusual traffic|enable javascript and cookies to continue|please enable js and disable any ad blocker/i;
/** A contact form may carry a captcha; a page that says hardly anything else is one. */
const maxCaptchaPageChars = 600;

/** Whether what was loaded is a challenge, or says that the website is down. */
export function judgePage(status: number, page: Snapshot): TallyError | undefined {
  const isSmall = page.text !== '' && page.text.length < 2_000;
  const isCaptcha = page.captcha && page.text.trim().length <= maxCaptchaPageChars;
  if (isSmall && (challengeTitles.test(page.title.trim()) || challengeTexts.test(page.text))) return blocked();
  if (isCaptcha && page.html !== null && page.html.length < 100_000) return blocked();
  if (status >= 500) return unavailable();
  return page.html === null ? tooLarge() : undefined;
}

/** Translates an error of Chromium's network, as in `net::ERR_CONNECTION_REFUSED`. */
export function judgeNetworkError(text: string): TallyError {
  if (/ERR_(UNSAFE_REDIRECT|UNKNOWN_URL_SCHEME|DISALLOWED_URL_SCHEME|INVALID_REDIRECT)/.test(text))
    return new TallyError('address_refused', addressRefusals.scheme);
  if (/ERR_TOO_MANY_REDIRECTS/.test(text)) return tooManyRedirects();
  if (/ERR_CERT_|ERR_SSL_/.test(text))
    return new TallyError('unavailable', 'The website has no valid certificate for a secure connection');
  if (/ERR_ABORTED|Download is starting/.test(text)) return notAPage();
  return unavailable();
}
