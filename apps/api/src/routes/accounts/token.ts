/** The response body of a login. */
import { z } from '@hono/zod-openapi';
import { limits } from '../../limits.ts';
import type { ApiServices } from '../../services.ts';

export const Token = { access_token: z.string(), token_type: z.literal('bearer'), expires_in: z.int() };

export async function newToken(
  { authenticator }: Pick<ApiServices, 'authenticator'>,
  identity: { accountId: string; tokenVersion: number },
) {
  const access_token = await authenticator.tokens.issue(identity);
  return { access_token, token_type: 'bearer', expires_in: limits.tokenLifetimeSeconds } as const;
}
