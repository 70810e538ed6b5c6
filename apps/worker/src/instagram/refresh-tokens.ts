/** Keeping the tokens of connected accounts alive: each is refreshed daily, long before its 60 days end. */
import { seal, unseal } from '@tally/core';
import { askForLogin, keepRefreshedToken, sealContext, takeTokensToRefresh } from '@tally/db';
import type { WorkerServices } from '../services.ts';

const retryMs = 3_600_000;

/** Refreshes up to `limit` tokens that are due; one that can't be refreshed marks its account. Returns how many were tried. */
export async function refreshTokens(services: WorkerServices, limit: number): Promise<number> {
  const { db, encryptionKey, graph, log } = services;
  const due = await takeTokensToRefresh(db, limit, retryMs);
  for (const { igUserId, accountId, accessToken } of due) {
    const context = sealContext(igUserId);
    const result = await graph.refreshToken(unseal(encryptionKey, context, accessToken));
    log.info({ account_id: accountId, ig_user_id: igUserId, outcome: result.outcome }, 'token refresh');
    if (result.outcome === 'refreshed')
      await keepRefreshedToken(db, {
        igUserId,
        oldToken: accessToken,
        newToken: seal(encryptionKey, context, result.accessToken),
        expiresInSeconds: result.expiresInSeconds,
      });
    if (result.outcome === 'needs_login')
      await askForLogin(db, igUserId, `The token could not be refreshed (${result.detail})`);
  }
  return due.length;
}
