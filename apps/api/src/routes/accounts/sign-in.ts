/** Routes without a login: registration, login, e-mail links. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { termsOf } from '@tally/billing';
import { hashPassword, isPassword, TallyError } from '@tally/core';
import {
  demoAddresses,
  type FollowedLink,
  findAccountByEmail,
  findEmailLink,
  followEmailLink,
  insertAccount,
  isErasedAddress,
  type LinkPurpose,
} from '@tally/db';
import { networkOf, originOf } from '../../http/origin.ts';
import { hashLinkToken, sendLink } from '../../mail/links.ts';
import { Code, errorResponses, GivenPassword, jsonBody, jsonResponse, NewPassword } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';
import { refuseWeakPassword } from './passwords.ts';
import { newToken, Token } from './token.ts';

const Email = z.email().max(254).openapi({ example: 'you@example.com' });
const Confirmation = z
  .enum(['sent', 'not_sent'])
  .openapi({ description: 'Whether a link is on its way to the address' });
const LinkToken = z.string().regex(/^[\w-]{43}$/, 'must be the token of a link');

/** No token where a second factor is enabled: the client has to log in with a code. */
const TokenUnlessCode = z.object(Token).partial().shape;

const accountBase = { method: 'post' as const, tags: ['Accounts'] };
const register = createRoute({
  ...accountBase,
  path: '/api/accounts/register',
  summary: 'Open an account; its address is to be confirmed by the link that is sent there',
  description:
    'A plan for new accounts begins with the confirmation. An address that somebody else has registered and never confirmed is yours once you follow your link: the answer is 202 then, and what they had there goes.',
  request: jsonBody(
    z.object({
      email: Email.refine((email) => !isErasedAddress(email), 'must be an address that exists'),
      password: NewPassword,
    }),
  ),
  responses: {
    201: jsonResponse('The account, logged in', { ...Token, email_confirmed: z.boolean(), confirmation: Confirmation }),
    202: jsonResponse('The address waits for your confirmation', { confirmation: Confirmation }),
    ...errorResponses(400, 409),
  },
});
const login = createRoute({
  ...accountBase,
  path: '/api/accounts/login',
  summary: 'Get a bearer token',
  request: jsonBody(z.object({ email: Email, password: GivenPassword, code: Code.optional() })),
  responses: { 200: jsonResponse('A bearer token', Token), ...errorResponses(400, 401) },
});
const confirm = createRoute({
  ...accountBase,
  path: '/api/accounts/confirm',
  summary: 'Confirm an address by the token of its link, and the password that it was registered with',
  description: 'The password shows that it was you who registered, and not somebody else with your address.',
  request: jsonBody(z.object({ token: LinkToken, password: GivenPassword })),
  responses: {
    200: jsonResponse('Confirmed, and logged in', {
      ...TokenUnlessCode,
      plan_started: z.boolean().openapi({ description: 'Whether the plan for new accounts began now' }),
    }),
    ...errorResponses(400, 401, 404),
  },
});
const forgot = createRoute({
  ...accountBase,
  path: '/api/accounts/password/forgot',
  summary: 'Have a link sent by which the password can be set anew, once, for an hour',
  description: 'The answer is the same whether there is such an account or not.',
  request: jsonBody(z.object({ email: Email })),
  responses: { 202: jsonResponse('If there is such an account, a link is on its way', {}), ...errorResponses(400) },
});
const reset = createRoute({
  ...accountBase,
  path: '/api/accounts/password/reset',
  summary: 'Set the password by the token of a link; ends every login',
  request: jsonBody(z.object({ token: LinkToken, new_password: NewPassword })),
  responses: { 200: jsonResponse('A new bearer token', TokenUnlessCode), ...errorResponses(400, 404) },
});

/** Paths of these routes, the only ones that read a JSON body before authentication. */
export const signInPaths = [register, login, confirm, forgot, reset].map(({ path }) => path);

/** Routes that need no login. */
export function signInRoutes(services: ApiServices) {
  const { db, authenticator, rateLimits, config, log } = services;

  /** Sends a link if possible; the account exists without it, and can request another. */
  async function tryToSend(link: Parameters<typeof sendLink>[1]): Promise<z.infer<typeof Confirmation>> {
    try {
      await rateLimits.mail(link.email);
      await sendLink(services, link);
      return 'sent';
    } catch (error) {
      if (error instanceof TallyError) return 'not_sent';
      throw error;
    }
  }

  /** Follows a link, which starts the plan for new accounts unless this network has reached its daily limit. */
  async function follow(
    link: { token: string; purpose: LinkPurpose; passwordHash?: string; expectedHash?: string },
    network: string,
  ): Promise<FollowedLink> {
    const { token, ...rest } = link;
    const { signupPlan: planId } = config;
    const mayHavePlan = planId !== undefined && (await rateLimits.signupPlan.take(network));
    const plan = mayHavePlan ? { ...(await termsOf(db, { planId, status: 'active' })), grantedBy: null } : undefined;
    const followed = await followEmailLink(db, { ...rest, tokenHash: hashLinkToken(token) }, plan);
    if (mayHavePlan && followed?.hasPlan !== true) await rateLimits.signupPlan.refund(network);
    if (followed === undefined) throw linkNotFound();
    log.info({ account_id: followed.accountId, plan: followed.hasPlan }, 'address confirmed');
    return followed;
  }
  const tokenOf = async (followed: FollowedLink) => (followed.hasSecondFactor ? {} : newToken(services, followed));

  return new OpenAPIHono<ApiEnv>()
    .openapi(register, async (c) => {
      const { email, password } = c.req.valid('json');
      await rateLimits.registration(networkOf(c, config));
      // The demo accounts' password is public, so they must not exist beyond loopback.
      if (!config.isLocal && demoAddresses.includes(email.toLowerCase()))
        throw new TallyError('invalid_input', 'This address is nobody’s');
      refuseWeakPassword(password, email, 'password');
      const passwordHash = await hashPassword(password);
      const account = await insertAccount(db, { email, passwordHash, role: 'tenant', isConfirmed: false });
      if (account === undefined) {
        const other = await findAccountByEmail(db, email);
        if (other === undefined || other.emailConfirmedAt !== null)
          throw new TallyError('conflict', 'This e-mail address has an account already');
        const claim = { accountId: other.id, email: other.email, purpose: 'confirm' as const, passwordHash };
        return c.json({ success: true as const, confirmation: await tryToSend(claim) }, 202);
      }
      const confirmation = await tryToSend({ accountId: account.id, email: account.email, purpose: 'confirm' });
      const token = await newToken(services, { accountId: account.id, tokenVersion: account.tokenVersion });
      return c.json({ success: true as const, ...token, email_confirmed: false, confirmation }, 201);
    })
    .openapi(login, async (c) => {
      const input = c.req.valid('json');
      const caller = await authenticator.login(input, originOf(c, config));
      return c.json({ success: true as const, ...(await newToken(services, caller)) }, 200);
    })
    .openapi(confirm, async (c) => {
      const { token, password } = c.req.valid('json');
      const from = originOf(c, config);
      await rateLimits.link(from.network);
      const link = await findEmailLink(db, { tokenHash: hashLinkToken(token), purpose: 'confirm' });
      if (link === undefined) throw linkNotFound();
      const { email, passwordHash: expectedHash } = link;
      const verified = await rateLimits.passwordAttempt(email, from, async () =>
        (await isPassword(expectedHash, password)) ? { found: true, isComplete: true } : undefined,
      );
      if (verified === undefined)
        throw new TallyError('unauthenticated', 'This is not the password that the address was registered with');
      const followed = await follow({ token, purpose: 'confirm', expectedHash }, from.network);
      return c.json({ success: true as const, ...(await tokenOf(followed)), plan_started: followed.hasPlan }, 200);
    })
    .openapi(forgot, async (c) => {
      const { email } = c.req.valid('json');
      await rateLimits.link(networkOf(c, config));
      // Not awaited: the response time must not reveal whether the account exists.
      void sendReset(email).catch((err) => log.warn({ err }, 'no link for a forgotten password'));
      return c.json({ success: true as const }, 202);
    })
    .openapi(reset, async (c) => {
      const input = c.req.valid('json');
      const network = networkOf(c, config);
      await rateLimits.link(network);
      refuseWeakPassword(input.new_password, '', 'new_password');
      const passwordHash = await hashPassword(input.new_password);
      const followed = await follow({ token: input.token, purpose: 'reset', passwordHash }, network);
      return c.json({ success: true as const, ...(await tokenOf(followed)) }, 200);
    });

  async function sendReset(email: string): Promise<void> {
    const account = await findAccountByEmail(db, email);
    if (account === undefined) return;
    await rateLimits.mail(account.email);
    await sendLink(services, { accountId: account.id, email: account.email, purpose: 'reset' });
  }
}

const linkNotFound = () => new TallyError('not_found', 'This link has been used, or is too old: ask for another');
