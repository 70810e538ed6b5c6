/** One request to the Graph API, and what its answer says; which host it is tells the kind of login that the app uses. */
import { readBounded } from '@tally/core';
import { asObject } from './loose-json.ts';

const timeoutMs = 10_000;
const maxAnswerBytes = 64 * 1_024;

export type GraphAnswer =
  | { kind: 'json'; status: number; body: Record<string, unknown> }
  /** A redirect, a page, nothing: not an answer of the Graph API's. */
  | { kind: 'other'; status: number; what: string }
  | { kind: 'none'; cause: unknown };

/** Asks once, following no redirect. Never throws. */
export async function askGraph(
  url: string,
  request: { method: 'GET' | 'POST' | 'DELETE'; accessToken: string; timeoutMs?: number },
): Promise<GraphAnswer> {
  try {
    const response = await fetch(url, {
      method: request.method,
      headers: { authorization: `Bearer ${request.accessToken}` },
      redirect: 'manual',
      signal: AbortSignal.timeout(request.timeoutMs ?? timeoutMs),
    });
    const text = await readBounded(response, maxAnswerBytes);
    const body = readJson(text);
    if (body !== undefined) return { kind: 'json', status: response.status, body };
    const isRedirect = response.status >= 300 && response.status < 400;
    const what = isRedirect ? 'a redirect' : text === '' ? 'nothing' : 'something other than JSON';
    return { kind: 'other', status: response.status, what };
  } catch (cause) {
    return { kind: 'none', cause };
  }
}

function readJson(text: string): Record<string, unknown> | undefined {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return undefined;
  }
}

// Meta: application, user, page and business limits, custom rates; 1 and 2 are unknown and temporary errors.
const passingCodes = new Set([1, 2, 4, 17, 32, 341, 368, 613, 80002]);

/** Whether the same request may be answered otherwise in a while: an outage, or a limit of Meta's. */
export function isPassing(answer: GraphAnswer): boolean {
  if (answer.kind === 'none' || answer.status >= 500 || answer.status === 429) return true;
  if (answer.kind === 'other') return false;
  const { code, is_transient } = asObject(answer.body.error);
  return is_transient === true || (typeof code === 'number' && passingCodes.has(code));
}

/** What an answer that is not the expected one says, in words; Meta's own are localised, and its codes are not. */
export function describeAnswer(answer: GraphAnswer): string {
  if (answer.kind === 'none') return 'it does not answer';
  if (answer.kind === 'other') return `it answered ${answer.status} with ${answer.what}`;
  const { code, error_subcode } = asObject(answer.body.error);
  if (typeof code !== 'number') return `it answered ${answer.status} without an error code`;
  const meaning = meanings.get(code);
  const number = typeof error_subcode === 'number' ? `${code}/${error_subcode}` : String(code);
  return `it answered ${answer.status}, code ${number}${meaning === undefined ? '' : `: ${meaning}`}`;
}

const meanings = new Map([
  [3, 'the app lacks this capability'],
  [10, 'the app or the login lacks a permission'],
  [100, 'the request does not fit the account, the token or the kind of login'],
  [190, 'the token is not valid'],
  [200, 'the app or the login lacks a permission'],
]);

/** How the operator's app logs its users in: Facebook Login works with tokens of Pages, at another host. */
export const isFacebookLogin = (graphUrl: string): boolean => new URL(graphUrl).hostname === 'graph.facebook.com';

/** The address of a node or edge. */
export const graphAddress = (graphUrl: string, path: string): string => `${graphUrl.replace(/\/+$/, '')}/${path}`;
