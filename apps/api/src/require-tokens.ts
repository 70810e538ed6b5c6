/** Lets only accounts pass that may use AI now; the others get their 402. */
import { checkAccess, getBalance, refusalMessages } from '@tally/billing';
import { type AccessRefusal, TallyError } from '@tally/core';
import type { MiddlewareHandler } from 'hono';
import type { RefusalDetails } from './http/errors.ts';
import type { ApiEnv, ApiServices } from './services.ts';

/** Middleware for any route that spends tokens; comes after authentication. Held tokens refuse nobody. */
export function requireTokens(
  { billing }: Pick<ApiServices, 'billing'>,
  need: { estimatedTokens: number; task: string },
): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const { accountId } = c.get('identity');
    const access = await checkAccess(billing, { accountId, ...need });
    if (!access.has_access) {
      const { balance } = await getBalance(billing, accountId);
      throw refusal(access.reason, balance);
    }
    await next();
  };
}

/** The 402 of an account that may not use AI, with its tokens. */
export function refusal(
  reason: AccessRefusal,
  { grantedTokens, consumedTokens }: { grantedTokens: number; consumedTokens: number },
): TallyError {
  const details: RefusalDetails = {
    tokens_remaining: Math.max(0, grantedTokens - consumedTokens),
    original_tokens: grantedTokens,
    consumed_tokens: consumedTokens,
  };
  return new TallyError(reason, refusalMessages[reason], { details });
}
