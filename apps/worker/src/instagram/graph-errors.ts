/** Classifies the Graph API's errors by code and subcode; error texts are localised and never matched. */

export type SendFault =
  /** Not sent: rate limited. */
  | 'slow_down'
  /** The message may have been sent. */
  | 'uncertain'
  /** The messaging window is closed: this message can't be sent, now or later. */
  | 'window_closed'
  /** The token or a permission is revoked: nothing can be sent until the owner logs in again. */
  | 'needs_login'
  /** Another app controls this thread. */
  | 'not_ours'
  /** The request was invalid. */
  | 'our_bug';

export type GraphAnswer = { status: number; code: number | undefined; subcode: number | undefined };

// https://developers.facebook.com/docs/instagram-platform and /docs/graph-api/guides/error-handling
const slowCodes = [4, 17, 32, 613, 80002];
const windowPairs = [
  '10/2534022',
  '10/2018278',
  '10/2018108',
  '200/1545041',
  '100/2534014',
  '100/2018001',
  '100/2534025',
];
const windowCodes = [551, 10900];
const windowSubcodes = [1545041, 10900];
const loginPairs = ['10/1893063', '100/2534029', '200/2534041'];
const notOursPairs = ['100/2534037'];
const notOursCodes = [2018300];

/** Classifies an answer that reports no success. */
export function classifyAnswer({ status, code, subcode }: GraphAnswer): SendFault {
  const pair = `${code}/${subcode}`;
  if (status === 429 || (code !== undefined && slowCodes.includes(code))) return 'slow_down';
  if (windowPairs.includes(pair) || has(windowCodes, code) || has(windowSubcodes, subcode)) return 'window_closed';
  if (notOursPairs.includes(pair) || has(notOursCodes, code) || has(notOursCodes, subcode)) return 'not_ours';
  if (loginPairs.includes(pair) || code === 190 || code === 10 || code === 200) return 'needs_login';
  if (code === 100) return 'our_bug';
  if (code === 1 || code === 2 || status >= 500) return 'uncertain';
  // A 2xx or 3xx without an API error, such as a proxy's page, does not tell whether the message was sent.
  return code === undefined && status < 400 ? 'uncertain' : status === 401 ? 'needs_login' : 'our_bug';
}

const has = (codes: number[], code: number | undefined): boolean => code !== undefined && codes.includes(code);
