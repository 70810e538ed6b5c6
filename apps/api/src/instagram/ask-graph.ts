/** One request to Meta's Graph API, and the classification of its response. */
import { readBounded } from '@tally/core';
import { asObject } from './loose-json.ts';

const timeoutMs = 10_000;
const maxAnswerBytes = 64 * 1_024;

export type GraphAnswer =
  | { kind: 'json'; status: number; body: Record<string, unknown> }
  /** A redirect, an HTML page, an empty body: not a Graph API response. */
  | { kind: 'other'; status: number; what: string }
  | { kind: 'none'; cause: unknown };

/** Sends one request, without redirects or retries. Never throws. */
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
const transientCodes = new Set([1, 2, 4, 17, 32, 341, 368, 613, 80002]);

/** Whether the same request may succeed later: an outage, or one of Meta's rate limits. */
export function isTransient(answer: GraphAnswer): boolean {
  if (answer.kind === 'none' || answer.status >= 500 || answer.status === 429) return true;
  if (answer.kind === 'other') return false;
  const { code, is_transient } = asObject(answer.body.error);
  return is_transient === true || (typeof code === 'number' && transientCodes.has(code));
}

/** An unexpected response in words; built from Meta's codes, since Meta's texts are localised. */
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

/** Whether the app uses Facebook Login, whose Page tokens work at another host, rather than Instagram Login. */
export const isFacebookLogin = (graphUrl: string): boolean => new URL(graphUrl).hostname === 'graph.facebook.com';

/** The URL of a node or edge. */
export const graphUrlOf = (graphUrl: string, path: string): string => `${graphUrl.replace(/\/+$/, '')}/${path}`;
