/** Routes that grant and revoke access: password, API keys, logout everywhere. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { boundedText, hashPassword, TallyError } from '@tally/core';
import { deleteApiKey, type EndedSessions, endSessions, insertApiKey, listApiKeys } from '@tally/db';
import { newApiKey } from '../../auth/authenticate.ts';
import {
  readOwnAccount,
  refuseOldLogin,
  requireLogin,
  requirePassword,
  requireRecentLogin,
} from '../../auth/require.ts';
import { limits } from '../../limits.ts';
import { sendLink } from '../../mail/links.ts';
import { bodyOf } from '../../rows.ts';
import {
  bearer,
  Code,
  Created,
  errorResponses,
  GivenPassword,
  IdParam,
  jsonBody,
  jsonResponse,
  NewPassword,
} from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';
import { deleteBy } from '../resources.ts';
import { refuseWeakPassword } from './passwords.ts';
import { newToken, Token } from './token.ts';

const EndKeys = z.boolean().default(false).openapi({ description: 'Whether API keys end, too' });
const KeyCounts = {
  api_keys_ended: z.int(),
  api_keys_kept: z.int().openapi({ description: 'Keys that go on: end them, too, where somebody else may have one' }),
};
const OperatorScope = z.enum(['none', 'read', 'write']).openapi({
  description: 'What the key may do of what operators do; for tenants it says nothing',
});
const ApiKey = z.object({
  id: z.uuid(),
  name: z.string(),
  hint: z.string(),
  operator_scope: OperatorScope,
  created_at: Created,
});
const toApiKey = bodyOf(ApiKey);

const base = { tags: ['Accounts'], security: bearer };
const password = createRoute({
  ...base,
  method: 'post',
  path: '/api/accounts/password',
  summary: 'Change the password; ends every bearer token given out before',
  description: 'API keys go on unless `end_api_keys` is true: the answer says how many.',
  middleware: [requireLogin],
  request: jsonBody(
    z.object({
      current_password: GivenPassword,
      code: Code.optional(),
      new_password: NewPassword,
      end_api_keys: EndKeys,
    }),
  ),
  responses: { 200: jsonResponse('A new bearer token', { ...Token, ...KeyCounts }), ...errorResponses(400, 401, 403) },
});
const resend = createRoute({
  ...base,
  method: 'post',
  path: '/api/accounts/confirmation',
  summary: 'Have the link that confirms the address sent again',
  middleware: [requireLogin],
  responses: { 202: jsonResponse('It is on its way', {}), ...errorResponses(401, 403, 409) },
});
const logoutEverywhere = createRoute({
  ...base,
  method: 'post',
  path: '/api/accounts/logout-everywhere',
  summary: 'End every bearer token given out so far, this one too, and API keys where that is wanted',
  middleware: [requireLogin],
  request: jsonBody(z.object({ end_api_keys: EndKeys })),
  responses: { 200: jsonResponse('Logged out', KeyCounts), ...errorResponses(400, 401, 403) },
});
const listKeys = createRoute({
  ...base,
  method: 'get',
  path: '/api/accounts/api-keys',
  summary: 'List API keys',
  responses: { 200: jsonResponse('The keys, newest first', { api_keys: z.array(ApiKey) }), ...errorResponses(401) },
});
const createKey = createRoute({
  ...base,
  method: 'post',
  path: '/api/accounts/api-keys',
  summary: 'Make an API key; it is shown only now. Wants a login of the last hour',
  middleware: [requireRecentLogin],
  request: jsonBody(
    z.object({ name: boundedText(limits.maxTitleCharacters), operator_scope: OperatorScope.default('none') }),
  ),
  responses: {
    201: jsonResponse('The key', { api_key: ApiKey.extend({ key: z.string() }) }),
    ...errorResponses(400, 401, 403, 409),
  },
});
const removeKey = createRoute({
  ...base,
  method: 'delete',
  path: '/api/accounts/api-keys/{id}',
  summary: 'Revoke an API key. Wants a login of the last hour',
  middleware: [requireRecentLogin],
  request: { params: IdParam },
  responses: { 200: jsonResponse('Revoked', {}), ...errorResponses(401, 403, 404) },
});
export function accessRoutes(services: ApiServices) {
  const { db, rateLimits, log } = services;
  return new OpenAPIHono<ApiEnv>()
    .openapi(password, async (c) => {
      const { accountId, role, tokenVersion } = c.get('identity');
      const input = c.req.valid('json');
      const { email } = await requirePassword(services, c, { password: input.current_password, code: input.code });
      refuseWeakPassword(input.new_password, email, 'new_password');
      const passwordHash = await hashPassword(input.new_password);
      const ended = await endSessions(db, accountId, {
        passwordHash,
        endKeys: input.end_api_keys,
        ofVersion: tokenVersion,
      });
      if (ended === undefined) throw loginEnded();
      const body = await newToken(services, { accountId, tokenVersion: ended.tokenVersion });
      log.info({ account_id: accountId, role }, 'password changed');
      return c.json({ success: true as const, ...body, ...toKeyCounts(ended) }, 200);
    })
    .openapi(resend, async (c) => {
      const account = await readOwnAccount(db, c);
      if (account.emailConfirmedAt !== null) throw new TallyError('conflict', 'The address is confirmed already');
      await rateLimits.mail(account.email);
      await sendLink(services, { accountId: account.id, email: account.email, purpose: 'confirm' });
      return c.json({ success: true as const }, 202);
    })
    .openapi(logoutEverywhere, async (c) => {
      const { accountId, tokenVersion } = c.get('identity');
      const { end_api_keys: endKeys } = c.req.valid('json');
      if (endKeys) refuseOldLogin(c.get('identity'));
      const ended = await endSessions(db, accountId, { endKeys, ofVersion: tokenVersion });
      if (ended === undefined) throw loginEnded();
      log.info({ account_id: accountId }, 'logged out everywhere');
      return c.json({ success: true as const, ...toKeyCounts(ended) }, 200);
    })
    .openapi(listKeys, async (c) => {
      const keys = await listApiKeys(db, c.get('identity').accountId);
      return c.json({ success: true as const, api_keys: keys.map(toApiKey) }, 200);
    })
    .openapi(createKey, async (c) => {
      const { accountId, role, tokenVersion } = c.get('identity');
      const { name, operator_scope: scope } = c.req.valid('json');
      // Otherwise a tenant's key would gain operator rights if the tenant later becomes an operator.
      const operatorScope = role === 'operator' ? scope : 'none';
      const { key, keyHash, hint } = newApiKey();
      const row = await insertApiKey(
        db,
        { accountId, name, keyHash, hint, operatorScope },
        limits.maxApiKeys,
        tokenVersion,
      );
      if (row === 'login_ended') throw loginEnded();
      if (row === undefined)
        throw new TallyError('conflict', `An account has at most ${limits.maxApiKeys} API keys: revoke one first`);
      return c.json({ success: true as const, api_key: { ...toApiKey(row), key } }, 201);
    })
    .openapi(
      removeKey,
      deleteBy('API key', (accountId, id) => deleteApiKey(db, accountId, id)),
    );
}

const loginEnded = () => new TallyError('unauthenticated', 'This login has ended meanwhile');

const toKeyCounts = ({ endedKeys, keptKeys }: EndedSessions) => ({
  api_keys_ended: endedKeys,
  api_keys_kept: keptKeys,
});
