/** Writes, signs and posts a webhook as Meta does: escaped unicode, and a signature over exactly those bytes. */
import { createHmac } from 'node:crypto';
import type { InstagramSettings } from './settings.ts';

/** Meta waits 5 s for an answer; longer here, so that a slow one is seen rather than guessed. */
const answerLimitMs = 15_000;
const shownBodyChars = 10_000;

/** What came back; `status` is null, and `body` says why, where nothing did. */
export type WebhookAnswer = { status: number | null; body: string };

/** JSON in ASCII: `\u0633` for other letters, `\/` for slashes. */
export function writeAsMeta(payload: unknown): string {
  return JSON.stringify(payload)
    .replaceAll('/', '\\/')
    .replaceAll(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Posts `body` once; Meta would come again for 36 hours. Never throws. */
export async function postWebhook(
  { webhook_url: url, app_secret: secret }: InstagramSettings,
  body: string,
  signature: 'valid' | 'wrong' | 'none',
): Promise<WebhookAnswer> {
  if (url === null) return { status: null, body: 'no webhook_url is set: see PUT /sandbox/instagram/settings' };
  const headers: Record<string, string> = { 'content-type': 'application/json', 'user-agent': 'facebookexternalua' };
  const key = signature === 'wrong' ? `not ${secret}` : secret;
  if (signature !== 'none')
    headers['x-hub-signature-256'] = `sha256=${createHmac('sha256', key).update(body).digest('hex')}`;
  try {
    const answer = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(answerLimitMs) });
    return { status: answer.status, body: (await answer.text()).slice(0, shownBodyChars) };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { status: null, body: cause instanceof Error ? cause.message : String(cause) };
  }
}
