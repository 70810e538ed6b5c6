/** Requires that the account may use AI now; otherwise 402. */
import { checkAccess, getBalance, refusalText } from '@tally/billing';
import { type AccessRefusal, TallyError } from '@tally/core';
import type { MiddlewareHandler } from 'hono';
import type { ApiEnv, ApiServices } from '../services.ts';
import type { RefusalDetails } from './errors.ts';

/** Middleware for routes that spend tokens; runs after authentication. Tokens on hold count as available. */
export function requireTokens(
  { billing }: Pick<ApiServices, 'billing'>,
  need: { estimatedTokens: number; task: string },
): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    await requireAccess({ billing }, c.get('identity').accountId, need);
    await next();
  };
}

/** @throws TallyError (402) where the account may not use that many tokens now */
export async function requireAccess(
  { billing }: Pick<ApiServices, 'billing'>,
  accountId: string,
  need: { estimatedTokens: number; task: string },
): Promise<void> {
  const access = await checkAccess(billing, { accountId, ...need });
  if (access.has_access) return;
  const { balance } = await getBalance(billing, accountId);
  throw refusal(access.reason, balance, need.estimatedTokens);
}

/** The 402 error with the account's tokens; `neededTokens` is the minimum that would be accepted. */
export function refusal(
  reason: AccessRefusal,
  { grantedTokens, consumedTokens }: { grantedTokens: number; consumedTokens: number },
  neededTokens: number,
): TallyError {
  const remainingTokens = Math.max(0, grantedTokens - consumedTokens);
  const details: RefusalDetails = {
    tokens_remaining: remainingTokens,
    original_tokens: grantedTokens,
    consumed_tokens: consumedTokens,
  };
  return new TallyError(reason, refusalText(reason, { neededTokens, remainingTokens }), { details });
}
