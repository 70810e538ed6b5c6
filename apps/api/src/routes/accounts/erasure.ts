/** The route that erases an account. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { hashUnknownPassword, TallyError } from '@tally/core';
import { beginErasure, type ErasurePass, eraseRows } from '@tally/db';
import { requireLogin, requirePassword } from '../../auth/require.ts';
import { limits } from '../../limits.ts';
import { bearer, Code, Created, errorResponses, GivenPassword, jsonBody, jsonResponse } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';

const erasing = createRoute({
  method: 'post',
  path: '/api/accounts/erase',
  tags: ['Accounts'],
  summary: 'Erase the account for good: nobody can log in from now on, and what it holds is removed',
  security: bearer,
  middleware: [requireLogin],
  request: jsonBody(z.strictObject({ password: GivenPassword, code: Code.optional() })),
  responses: {
    202: jsonResponse('The account is shut; what is not removed yet will be within the hour', {
      erased_at: Created,
      removed: z.record(z.string(), z.int()).openapi({ description: 'Rows removed so far, by table' }),
      jobs_cancelled: z.int(),
    }),
    ...errorResponses(400, 401, 403, 409),
  },
});

export function accountErasureRoutes(services: ApiServices) {
  const { db, log } = services;
  return new OpenAPIHono<ApiEnv>().openapi(erasing, async (c) => {
    const { accountId } = c.get('identity');
    await requirePassword(services, c, c.req.valid('json'));
    const start = await beginErasure(db, { accountId, passwordHash: await hashUnknownPassword() });
    if (start.outcome === 'last_operator')
      throw new TallyError('conflict', 'This is the last operator: make somebody else one first');
    if (start.outcome === 'no_account') throw new TallyError('unauthenticated', 'The account is gone');
    log.info({ account_id: accountId }, 'account is being erased');
    // The account is closed already: if this fails, housekeeping finishes the erasure.
    const pass = await eraseRows(db, accountId, { limitMs: limits.eraseWithinMs }).catch((err): ErasurePass => {
      log.warn({ err, account_id: accountId }, 'left to housekeeping');
      return { removed: {}, cancelledJobs: 0, isClean: false };
    });
    const { removed, cancelledJobs } = pass;
    return c.json(
      { success: true as const, erased_at: start.erasedAt.toISOString(), removed, jobs_cancelled: cancelledJobs },
      202,
    );
  });
}
