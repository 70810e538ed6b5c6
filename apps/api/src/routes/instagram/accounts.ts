/** Routes on connected Instagram accounts and their latest webhook events. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { seal, sealKeysOf, TallyError, unseal } from '@tally/core';
import {
  changeInstagramAccount,
  connectInstagram,
  disconnectInstagram,
  type InstagramAccount,
  listEvents,
  listInstagramAccounts,
  recordWebhookSubscription,
  sealContext,
} from '@tally/db';
import { checkInstagramToken } from '../../instagram/check-token.ts';
import { subscribeToWebhooks, unsubscribeFromWebhooks } from '../../instagram/webhook-subscription.ts';
import { limits } from '../../limits.ts';
import { bodyOf, toColumns } from '../../rows.ts';
import { bearer, Created, errorResponses, IdParam, IgId, jsonBody, jsonResponse } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';
import { deleteRoute, orNotFound } from '../resources.ts';

const Event = z
  .object({
    id: z.uuid(),
    kind: z.string(),
    external_id: z.string().nullable(),
    person_id: z.string().nullable(),
    /** `queued` where a job answers, otherwise the reason why none does. */
    outcome: z.string(),
    job_id: z.uuid().nullable(),
    job_status: z.string().nullable(),
    error_code: z.string().nullable(),
    received_at: Created,
  })
  .openapi('InstagramEvent');
const PersonLimits = z
  .object({
    comments_an_hour: z.int(),
    comments_a_day: z.int(),
    messages_an_hour: z.int(),
    messages_a_day: z.int(),
  })
  .openapi({ description: 'How often one person is answered; what comes above that has the outcome `person_limit`' });
const Account = z
  .object({
    id: z.uuid(),
    ig_user_id: z.string(),
    username: z.string(),
    self_ig_scoped_id: z.string().nullable(),
    auto_reply: z.boolean(),
    per_person: PersonLimits,
    state: z.enum(['active', 'needs_login', 'paused']),
    state_reason: z.string().nullable(),
    token_expires_at: z.iso.datetime().nullable(),
    /** Whether Meta sends the account's events here; the subscription is tried at every POST. */
    webhooks: z.object({ subscribed: z.boolean(), fields: z.array(z.string()), reason: z.string().nullable() }),
    created_at: Created,
  })
  .openapi('InstagramAccount');
const AccountWithEvents = Account.extend({ recent_events: z.array(Event) }).openapi('InstagramAccountWithEvents');

const toEvent = bodyOf(Event);
const toPersonLimits = bodyOf(PersonLimits);
const accountBody = bodyOf(Account);
const toWebhooks = ({ webhookFields: fields, webhookRefusal }: InstagramAccount) => {
  const subscribed = fields.length > 0;
  return { subscribed, fields, reason: subscribed ? null : (webhookRefusal ?? neverSubscribed) };
};
const neverSubscribed = 'Not tried yet: connect the account again';
const toAccount = (row: InstagramAccount): z.infer<typeof Account> =>
  accountBody({ ...row, perPerson: toPersonLimits(row), webhooks: toWebhooks(row) });

const personLimit = z.int().min(0).max(100_000);
const NewPersonLimits = z
  .strictObject({
    comments_an_hour: personLimit,
    comments_a_day: personLimit,
    messages_an_hour: personLimit,
    messages_a_day: personLimit,
  })
  .partial();

const base = { tags: ['Instagram'], security: bearer };
const accounts = '/api/instagram/accounts';
const listAccounts = createRoute({
  ...base,
  method: 'get',
  path: accounts,
  summary: 'Connected accounts, their state, and what became of their latest events',
  responses: { 200: jsonResponse('The accounts', { accounts: z.array(AccountWithEvents) }), ...errorResponses(401) },
});
const connect = createRoute({
  ...base,
  method: 'post',
  path: accounts,
  summary: 'Connect an account and subscribe it to webhooks, or give it a new token (which is never shown again)',
  request: jsonBody(
    z.object({
      ig_user_id: IgId.openapi({ example: '17841400000000001' }),
      username: z
        .string()
        .trim()
        .regex(/^@?[\w.]{1,64}$/)
        .openapi({ example: 'lamps.lisbon' }),
      access_token: z
        .string()
        .trim()
        .max(limits.maxAccessTokenCharacters)
        .regex(/^[\x21-\x7e]+$/, 'must be letters, digits and signs without spaces'),
      self_ig_scoped_id: IgId.optional(),
      auto_reply: z.boolean().default(true),
    }),
  ),
  responses: { 201: jsonResponse('The account', { account: Account }), ...errorResponses(400, 401, 409) },
});
const change = createRoute({
  ...base,
  method: 'patch',
  path: `${accounts}/{id}`,
  summary: 'Switch automatic replies, pause the account, or limit how often one person is answered',
  request: {
    params: IdParam,
    ...jsonBody(
      z.strictObject({ auto_reply: z.boolean(), paused: z.boolean(), per_person: NewPersonLimits }).partial(),
    ),
  },
  responses: { 200: jsonResponse('The account', { account: Account }), ...errorResponses(400, 401, 404) },
});
const disconnect = deleteRoute({
  ...base,
  path: `${accounts}/{id}`,
  summary: 'Disconnect an account; its token is forgotten, and its webhooks end',
});

/** Routes on connected accounts; access tokens are stored sealed. */
export function instagramRoutes({ db, config, log }: ApiServices) {
  const { graphUrl } = config.instagram;
  const sealKeys = sealKeysOf(config);
  const endWebhooks = async ({ igUserId, accessToken: sealed }: { igUserId: string; accessToken: string }) =>
    unsubscribeFromWebhooks(graphUrl, {
      igUserId,
      accessToken: unseal(sealKeys, sealContext(igUserId), sealed),
    });
  return new OpenAPIHono<ApiEnv>()
    .openapi(listAccounts, async (c) => {
      const { accountId } = c.get('identity');
      const rows = await listInstagramAccounts(db, accountId);
      const withEvents = await Promise.all(
        rows.map(async (row) => {
          const events = await listEvents(db, { accountId, igUserId: row.igUserId, limit: limits.eventsShown });
          return { ...toAccount(row), recent_events: events.map(toEvent) };
        }),
      );
      return c.json({ success: true as const, accounts: withEvents }, 200);
    })
    .openapi(connect, async (c) => {
      const input = c.req.valid('json');
      const { accountId } = c.get('identity');
      const login = { igUserId: input.ig_user_id, accessToken: input.access_token };
      await checkInstagramToken(graphUrl, login);
      const account = await connectInstagram(db, {
        accountId,
        igUserId: input.ig_user_id,
        username: input.username.replace(/^@/, ''),
        accessToken: seal(sealKeys, sealContext(input.ig_user_id), input.access_token),
        selfIgScopedId: input.self_ig_scoped_id,
        autoReply: input.auto_reply,
        maxAccounts: limits.maxInstagramAccounts,
      });
      if (account === undefined)
        throw new TallyError('conflict', 'This Instagram account is connected elsewhere, or too many are');
      const webhooks = await subscribeToWebhooks(graphUrl, login);
      if (webhooks.refusal !== null) log.warn({ ig_user_id: login.igUserId, reason: webhooks.refusal }, 'no webhooks');
      const subscribed = await recordWebhookSubscription(db, { accountId, id: account.id, ...webhooks });
      return c.json({ success: true as const, account: toAccount(subscribed ?? account) }, 201);
    })
    .openapi(change, async (c) => {
      const { auto_reply: autoReply, paused: isPaused, per_person } = c.req.valid('json');
      const { accountId } = c.get('identity');
      const account = await changeInstagramAccount(db, {
        accountId,
        id: c.req.valid('param').id,
        autoReply,
        isPaused,
        perPerson: toColumns(per_person ?? {}),
      });
      return c.json({ success: true as const, account: toAccount(orNotFound('account', account)) }, 200);
    })
    .openapi(disconnect, async (c) => {
      const found = await disconnectInstagram(db, c.get('identity').accountId, c.req.valid('param').id);
      await endWebhooks(orNotFound('account', found)).catch((err) =>
        log.warn({ err }, 'webhooks of a disconnected account go on'),
      );
      return c.json({ success: true as const }, 200);
    });
}
