/** Lets only accounts pass that may use AI now; the others get their 402. */
import { checkAccess, getBalance, refusalText } from '@tally/billing';
import { type AccessRefusal, TallyError } from '@tally/core';
import type { MiddlewareHandler } from 'hono';
import type { ApiEnv, ApiServices } from '../services.ts';
import type { RefusalDetails } from './errors.ts';

/** Middleware for any route that spends tokens; comes after authentication. Held tokens refuse nobody. */
export function requireTokens(
  { billing }: Pick<ApiServices, 'billing'>,
  need: { estimatedTokens: number; task: string },
): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    await requireAccess({ billing }, c.get('identity').accountId, need);
    await next();
  };
}

/** @throws TallyError with a 402 where the account may not use so many tokens now */
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

/** The 402 of an account that may not use AI, with its tokens; `neededTokens` is the least that would do. */
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
