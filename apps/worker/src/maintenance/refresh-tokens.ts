/** Refreshes the Instagram tokens of connected accounts daily, long before they expire after 60 days. */
import { seal, unseal } from '@tally/core';
import { claimTokenRefreshes, requireLogin, type SendingAccount, sealContext, storeRefreshedToken } from '@tally/db';
import type { WorkerServices } from '../services.ts';

const retryMs = 3_600_000;

/** Refreshes up to `limit` due tokens, and marks the account of a refused one. Returns the number of tokens tried. */
export async function refreshTokens(services: WorkerServices, limit: number): Promise<number> {
  const due = await claimTokenRefreshes(services.db, limit, retryMs);
  for (const account of due)
    await refresh(services, account).catch((err) =>
      services.log.warn({ err, account_id: account.accountId, ig_user_id: account.igUserId }, 'token refresh'),
    );
  return due.length;
}

async function refresh(services: WorkerServices, { igUserId, accountId, accessToken }: SendingAccount): Promise<void> {
  const { db, sealKeys, graph, log } = services;
  const context = sealContext(igUserId);
  const result = await graph.refreshToken(unseal(sealKeys, context, accessToken));
  log.info({ account_id: accountId, ig_user_id: igUserId, outcome: result.outcome }, 'token refresh');
  if (result.outcome === 'refreshed')
    await storeRefreshedToken(db, {
      igUserId,
      oldToken: accessToken,
      newToken: seal(sealKeys, context, result.accessToken),
      expiresInSeconds: result.expiresInSeconds,
    });
  if (result.outcome === 'needs_login')
    await requireLogin(db, igUserId, `The token could not be refreshed (${result.detail})`);
}
