/** Routes that enable and disable the second factor. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { seal, sealKeysOf, TallyError } from '@tally/core';
import { disableSecondFactor, enableSecondFactor, prepareSecondFactor, totpContext } from '@tally/db';
import { readOwnAccount, requirePassword, requireRecentLogin } from '../../auth/require.ts';
import { isCode, newRecoveryCodes, newTotp } from '../../auth/second-factor.ts';
import { bearer, Code, errorResponses, GivenPassword, jsonBody, jsonResponse } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';

const base = { method: 'post' as const, tags: ['Accounts'], security: bearer, middleware: [requireRecentLogin] };
const prepare = createRoute({
  ...base,
  path: '/api/accounts/second-factor',
  summary: 'Get a secret for an authenticator app; nothing changes until a code of it is sent to /enable',
  request: jsonBody(z.object({ password: GivenPassword })),
  responses: {
    201: jsonResponse('The secret, shown only now', {
      secret: z.string().openapi({ description: 'In base32' }),
      uri: z.string().openapi({ description: 'What apps read as a QR code' }),
    }),
    ...errorResponses(400, 401, 403, 409),
  },
});
const enable = createRoute({
  ...base,
  path: '/api/accounts/second-factor/enable',
  summary: 'Turn the second factor on: logins want a code from now on',
  request: jsonBody(z.object({ code: Code })),
  responses: {
    200: jsonResponse('On', {
      recovery_codes: z
        .array(z.string())
        .openapi({ description: 'Each lets you in once without the app; shown only now' }),
    }),
    ...errorResponses(400, 401, 403, 409),
  },
});
const disable = createRoute({
  ...base,
  path: '/api/accounts/second-factor/disable',
  summary: 'Turn the second factor off',
  request: jsonBody(z.object({ password: GivenPassword, code: Code })),
  responses: { 200: jsonResponse('Off', {}), ...errorResponses(400, 401, 403, 409) },
});

export function secondFactorRoutes(services: ApiServices) {
  const { db, config, rateLimits, log } = services;
  const sealKeys = sealKeysOf(config);

  return new OpenAPIHono<ApiEnv>()
    .openapi(prepare, async (c) => {
      const account = await requirePassword(services, c, c.req.valid('json'));
      const { secret, uri } = newTotp(account.email);
      const isPrepared = await prepareSecondFactor(db, account.id, seal(sealKeys, totpContext(account.id), secret));
      if (!isPrepared) throw new TallyError('conflict', 'A second factor is on already: turn it off first');
      return c.json({ success: true as const, secret, uri }, 201);
    })
    .openapi(enable, async (c) => {
      const account = await readOwnAccount(db, c);
      if (account.totpEnabledAt !== null || account.totpSecret === null)
        throw new TallyError('conflict', 'Get a secret first, and turn it on once');
      await rateLimits.codes.check(account.id);
      if (!(await isCode(db, sealKeys, account, c.req.valid('json').code))) {
        await rateLimits.codes.wrong(account.id);
        throw new TallyError('unauthenticated', 'The code is wrong, or was used before');
      }
      const { codes, hashes } = newRecoveryCodes();
      await enableSecondFactor(db, account.id, hashes);
      log.info({ account_id: account.id }, 'second factor on');
      return c.json({ success: true as const, recovery_codes: codes }, 200);
    })
    .openapi(disable, async (c) => {
      const account = await requirePassword(services, c, c.req.valid('json'));
      if (account.totpEnabledAt === null) throw new TallyError('conflict', 'No second factor is on');
      await disableSecondFactor(db, account.id);
      log.info({ account_id: account.id }, 'second factor off');
      return c.json({ success: true as const }, 200);
    });
}
