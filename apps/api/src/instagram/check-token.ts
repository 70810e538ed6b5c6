/** Whether an access token is for the account that it is said to be for: asked of Instagram, before anybody's messages are read. */
import { TallyError } from '@tally/core';
import { asId, asObject } from './loose-json.ts';

const timeoutMs = 10_000;

/**
 * Resolves where Instagram shows the account to the token's holder, which it does to its owner only. A Graph API that knows
 * no such request (a test's, say: Instagram's own errors have codes) can't be asked, and refuses nothing.
 * @throws TallyError `invalid_input` where it refuses, `unavailable` where it can't be reached
 */
export async function checkInstagramToken(
  graphUrl: string,
  account: { igUserId: string; accessToken: string },
): Promise<void> {
  const { status, body } = await ask(graphUrl, account);
  const shown = asObject(body);
  const id = asId(shown.user_id) ?? asId(shown.id);
  if (status === 200 && id === account.igUserId) return;
  if (status >= 500) throw unreachable();
  if (status === 404 && asObject(shown.error).code === undefined) return;
  throw new TallyError('invalid_input', 'Instagram does not accept this access token for this account', {
    details: [{ path: 'access_token', message: 'is not valid for ig_user_id' }],
  });
}

async function ask(
  graphUrl: string,
  { igUserId, accessToken }: { igUserId: string; accessToken: string },
): Promise<{ status: number; body: unknown }> {
  try {
    const response = await fetch(`${graphUrl.replace(/\/+$/, '')}/${igUserId}?fields=user_id,username`, {
      headers: { authorization: `Bearer ${accessToken}` },
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: response.status, body: await response.json().catch(() => undefined) };
  } catch (cause) {
    throw unreachable(cause);
  }
}

const unreachable = (cause?: unknown) =>
  new TallyError('unavailable', 'Instagram can’t be reached to check the token', { retryAfterMs: 5_000, cause });
