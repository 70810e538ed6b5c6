/** Connected Instagram accounts, and the workflows that answer comments on their posts. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { seal, TallyError } from '@tally/core';
import {
  changeInstagramAccount,
  changeWorkflow,
  connectInstagram,
  deleteWorkflow,
  disconnectInstagram,
  type EventView,
  type InstagramAccount,
  insertWorkflow,
  listEvents,
  listInstagramAccounts,
  listWorkflows,
  sealContext,
  type Workflow as WorkflowRow,
} from '@tally/db';
import { limits } from '../limits.ts';
import { bearer, Created, errorResponses, IdParam, jsonBody, jsonResponse, nextCursor, PageQuery } from '../schemas.ts';
import type { ApiEnv, ApiServices } from '../services.ts';

const igId = z.string().regex(/^\d{1,40}$/, 'must be a string of digits');

const Event = z
  .object({
    id: z.uuid(),
    kind: z.string(),
    external_id: z.string().nullable(),
    person_id: z.string().nullable(),
    /** What became of it: `queued` where a job answers, otherwise why none does. */
    outcome: z.string(),
    job_id: z.uuid().nullable(),
    job_status: z.string().nullable(),
    error_code: z.string().nullable(),
    received_at: Created,
  })
  .openapi('InstagramEvent');
const Account = z
  .object({
    id: z.uuid(),
    ig_user_id: z.string(),
    username: z.string(),
    self_ig_scoped_id: z.string().nullable(),
    auto_reply: z.boolean(),
    state: z.enum(['active', 'needs_login', 'paused']),
    state_reason: z.string().nullable(),
    token_expires_at: z.iso.datetime().nullable(),
    created_at: Created,
  })
  .openapi('InstagramAccount');
const AccountWithEvents = Account.extend({ recent_events: z.array(Event) }).openapi('InstagramAccountWithEvents');

const toEvent = (row: EventView): z.infer<typeof Event> => ({
  id: row.id,
  kind: row.kind,
  external_id: row.externalId,
  person_id: row.personId,
  outcome: row.outcome,
  job_id: row.jobId,
  job_status: row.jobStatus,
  error_code: row.errorCode,
  received_at: row.receivedAt.toISOString(),
});
const toAccount = (row: InstagramAccount): z.infer<typeof Account> => ({
  id: row.id,
  ig_user_id: row.igUserId,
  username: row.username,
  self_ig_scoped_id: row.selfIgScopedId,
  auto_reply: row.autoReply,
  state: row.state,
  state_reason: row.stateReason,
  token_expires_at: row.tokenExpiresAt?.toISOString() ?? null,
  created_at: row.createdAt.toISOString(),
});

const accountBase = { tags: ['Instagram'], security: bearer };
const accounts = '/api/instagram/accounts';
const listAccounts = createRoute({
  ...accountBase,
  method: 'get',
  path: accounts,
  summary: 'Connected accounts, their state, and what became of their latest events',
  responses: { 200: jsonResponse('The accounts', { accounts: z.array(AccountWithEvents) }), ...errorResponses(401) },
});
const connect = createRoute({
  ...accountBase,
  method: 'post',
  path: accounts,
  summary: 'Connect an account, or give it a new token (which is never shown again)',
  request: jsonBody(
    z.object({
      ig_user_id: igId.openapi({ example: '17841400000000001' }),
      username: z
        .string()
        .trim()
        .regex(/^@?[\w.]{1,64}$/)
        .openapi({ example: 'lamps.lisbon' }),
      access_token: z.string().trim().min(1).max(limits.maxAccessTokenCharacters),
      self_ig_scoped_id: igId.optional(),
      auto_reply: z.boolean().default(true),
    }),
  ),
  responses: { 201: jsonResponse('The account', { account: Account }), ...errorResponses(400, 401, 409) },
});
const change = createRoute({
  ...accountBase,
  method: 'patch',
  path: `${accounts}/{id}`,
  summary: 'Switch automatic replies, or pause the account',
  request: {
    params: IdParam,
    ...jsonBody(z.strictObject({ auto_reply: z.boolean(), paused: z.boolean() }).partial()),
  },
  responses: { 200: jsonResponse('The account', { account: Account }), ...errorResponses(400, 401, 404) },
});
const disconnect = createRoute({
  ...accountBase,
  method: 'delete',
  path: `${accounts}/{id}`,
  summary: 'Disconnect an account; its token is forgotten',
  request: { params: IdParam },
  responses: { 200: jsonResponse('Disconnected', {}), ...errorResponses(401, 404) },
});

/** Routes for connected accounts; tokens are sealed before they are stored. */
export function instagramRoutes({ db, config }: ApiServices) {
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
      const account = await connectInstagram(db, {
        accountId: c.get('identity').accountId,
        igUserId: input.ig_user_id,
        username: input.username.replace(/^@/, ''),
        accessToken: seal(config.encryptionKey, sealContext(input.ig_user_id), input.access_token),
        selfIgScopedId: input.self_ig_scoped_id,
        autoReply: input.auto_reply,
      });
      if (account === undefined) throw new TallyError('conflict', 'This Instagram account is connected already');
      return c.json({ success: true as const, account: toAccount(account) }, 201);
    })
    .openapi(change, async (c) => {
      const { auto_reply: autoReply, paused: isPaused } = c.req.valid('json');
      const { accountId } = c.get('identity');
      const account = await changeInstagramAccount(db, { accountId, id: c.req.valid('param').id, autoReply, isPaused });
      if (account === undefined) throw new TallyError('not_found', 'There is no such account');
      return c.json({ success: true as const, account: toAccount(account) }, 200);
    })
    .openapi(disconnect, async (c) => {
      const found = await disconnectInstagram(db, c.get('identity').accountId, c.req.valid('param').id);
      if (!found) throw new TallyError('not_found', 'There is no such account');
      return c.json({ success: true as const }, 200);
    });
}

const Workflow = z
  .object({
    id: z.uuid(),
    ig_user_id: z.string(),
    name: z.string(),
    keywords: z.array(z.string()),
    media_ids: z.array(z.string()),
    product_id: z.uuid().nullable(),
    instructions: z.string().nullable(),
    enabled: z.boolean(),
    created_at: Created,
  })
  .openapi('Workflow');
const toWorkflow = (row: WorkflowRow): z.infer<typeof Workflow> => ({
  id: row.id,
  ig_user_id: row.igUserId,
  name: row.name,
  keywords: row.keywords,
  media_ids: row.mediaIds,
  product_id: row.productId,
  instructions: row.instructions,
  enabled: row.enabled,
  created_at: row.createdAt.toISOString(),
});

const word = z.string().trim().min(1).max(limits.maxKeywordCharacters);
const fields = {
  ig_user_id: igId.openapi({ example: '17841400000000001' }),
  name: z.string().trim().min(1).max(limits.maxTitleCharacters).openapi({ example: 'Price of the Aurora' }),
  /** None: every comment. */
  keywords: z
    .array(word)
    .max(limits.maxKeywords)
    .openapi({ example: ['price', 'قیمت'] }),
  /** None: every post. */
  media_ids: z.array(igId).max(limits.maxKeywords),
  product_id: z.uuid().nullable(),
  instructions: z.string().trim().min(1).max(limits.maxPromptCharacters).nullable(),
  enabled: z.boolean(),
};
const NewWorkflow = z.strictObject({
  ...fields,
  keywords: fields.keywords.default([]),
  media_ids: fields.media_ids.default([]),
  product_id: fields.product_id.default(null),
  instructions: fields.instructions.default(null),
  enabled: fields.enabled.default(true),
});

const workflowBase = { tags: ['Workflows'], security: bearer };
const listAll = createRoute({
  ...workflowBase,
  method: 'get',
  path: '/api/workflows',
  summary: 'List workflows, newest first',
  request: { query: PageQuery },
  responses: {
    200: jsonResponse('A page', { workflows: z.array(Workflow), next_cursor: z.string().nullable() }),
    ...errorResponses(400, 401),
  },
});
const create = createRoute({
  ...workflowBase,
  method: 'post',
  path: '/api/workflows',
  summary: 'Answer comments in private: on which posts, with which words, about which product, in what manner',
  request: jsonBody(NewWorkflow),
  responses: { 201: jsonResponse('The workflow', { workflow: Workflow }), ...errorResponses(400, 401, 404) },
});
const changeOne = createRoute({
  ...workflowBase,
  method: 'patch',
  path: '/api/workflows/{id}',
  summary: 'Change a workflow',
  request: { params: IdParam, ...jsonBody(z.strictObject(fields).partial()) },
  responses: { 200: jsonResponse('The workflow', { workflow: Workflow }), ...errorResponses(400, 401, 404) },
});
const remove = createRoute({
  ...workflowBase,
  method: 'delete',
  path: '/api/workflows/{id}',
  summary: 'Delete a workflow',
  request: { params: IdParam },
  responses: { 200: jsonResponse('Deleted', {}), ...errorResponses(401, 404) },
});

export function workflowRoutes({ db }: ApiServices) {
  return new OpenAPIHono<ApiEnv>()
    .openapi(listAll, async (c) => {
      const { limit, cursor } = c.req.valid('query');
      const rows = await listWorkflows(db, { accountId: c.get('identity').accountId, limit, beforeId: cursor });
      const body = { success: true as const, workflows: rows.map(toWorkflow), next_cursor: nextCursor(rows, limit) };
      return c.json(body, 200);
    })
    .openapi(create, async (c) => {
      const input = c.req.valid('json');
      const workflow = await insertWorkflow(db, c.get('identity').accountId, {
        igUserId: input.ig_user_id,
        name: input.name,
        keywords: input.keywords,
        mediaIds: input.media_ids,
        productId: input.product_id,
        instructions: input.instructions,
        enabled: input.enabled,
      });
      if (workflow === undefined) throw new TallyError('not_found', 'There is no such product');
      return c.json({ success: true as const, workflow: toWorkflow(workflow) }, 201);
    })
    .openapi(changeOne, async (c) => {
      const { ig_user_id: igUserId, media_ids: mediaIds, product_id: productId, ...rest } = c.req.valid('json');
      const given = Object.entries({ igUserId, mediaIds, productId, ...rest }).filter(
        ([, value]) => value !== undefined,
      );
      const { accountId } = c.get('identity');
      const workflow = await changeWorkflow(db, accountId, c.req.valid('param').id, Object.fromEntries(given));
      if (workflow === undefined) throw new TallyError('not_found', 'There is no such workflow or product');
      return c.json({ success: true as const, workflow: toWorkflow(workflow) }, 200);
    })
    .openapi(remove, async (c) => {
      const found = await deleteWorkflow(db, c.get('identity').accountId, c.req.valid('param').id);
      if (!found) throw new TallyError('not_found', 'There is no such workflow');
      return c.json({ success: true as const }, 200);
    });
}
