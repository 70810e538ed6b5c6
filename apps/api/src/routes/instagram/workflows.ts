/** Routes on workflows, which decide the comments that get a private answer, and its product and instructions. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { boundedText, TallyError } from '@tally/core';
import { changeWorkflow, deleteWorkflow, insertWorkflow, listWorkflows, type Workflow as WorkflowRow } from '@tally/db';
import { limits } from '../../limits.ts';
import {
  bearer,
  Created,
  errorResponses,
  IdParam,
  IgId,
  jsonBody,
  jsonResponse,
  nextCursor,
  PageQuery,
} from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';

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

const word = boundedText(limits.maxKeywordCharacters);
const fields = {
  ig_user_id: IgId.openapi({ example: '17841400000000001' }),
  name: boundedText(limits.maxTitleCharacters).openapi({ example: 'Price of the Aurora' }),
  /** Empty: matches every comment. */
  keywords: z
    .array(word)
    .max(limits.maxKeywords)
    .openapi({ example: ['price', 'قیمت'] }),
  /** Empty: matches every post. */
  media_ids: z.array(IgId).max(limits.maxKeywords),
  product_id: z.uuid().nullable(),
  instructions: boundedText(limits.maxPromptCharacters).nullable(),
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
  responses: { 201: jsonResponse('The workflow', { workflow: Workflow }), ...errorResponses(400, 401, 404, 409) },
});
const changeOne = createRoute({
  ...workflowBase,
  method: 'patch',
  path: '/api/workflows/{id}',
  summary: 'Change a workflow',
  request: { params: IdParam, ...jsonBody(z.strictObject(fields).partial()) },
  responses: { 200: jsonResponse('The workflow', { workflow: Workflow }), ...errorResponses(400, 401, 404, 409) },
});
const remove = createRoute({
  ...workflowBase,
  method: 'delete',
  path: '/api/workflows/{id}',
  summary: 'Delete a workflow',
  request: { params: IdParam },
  responses: { 200: jsonResponse('Deleted', {}), ...errorResponses(401, 404) },
});

const workflowLimits = { workflows: limits.maxWorkflows, keywordLetters: limits.maxKeywordLetters };

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
      const workflow = await insertWorkflow(
        db,
        c.get('identity').accountId,
        {
          igUserId: input.ig_user_id,
          name: input.name,
          keywords: input.keywords,
          mediaIds: input.media_ids,
          productId: input.product_id,
          instructions: input.instructions,
          enabled: input.enabled,
        },
        workflowLimits,
      );
      if (workflow === 'too_many')
        throw new TallyError('conflict', `An account has at most ${limits.maxWorkflows} workflows`);
      if (workflow === undefined) throw new TallyError('not_found', 'There is no such product');
      return c.json({ success: true as const, workflow: toWorkflow(workflow) }, 201);
    })
    .openapi(changeOne, async (c) => {
      const { ig_user_id: igUserId, media_ids: mediaIds, product_id: productId, ...rest } = c.req.valid('json');
      const given = Object.entries({ igUserId, mediaIds, productId, ...rest }).filter(
        ([, value]) => value !== undefined,
      );
      const { accountId } = c.get('identity');
      const workflow = await changeWorkflow(
        db,
        accountId,
        c.req.valid('param').id,
        Object.fromEntries(given),
        workflowLimits,
      );
      if (workflow === undefined) throw new TallyError('not_found', 'There is no such workflow or product');
      return c.json({ success: true as const, workflow: toWorkflow(workflow) }, 200);
    })
    .openapi(remove, async (c) => {
      const found = await deleteWorkflow(db, c.get('identity').accountId, c.req.valid('param').id);
      if (!found) throw new TallyError('not_found', 'There is no such workflow');
      return c.json({ success: true as const }, 200);
    });
}
