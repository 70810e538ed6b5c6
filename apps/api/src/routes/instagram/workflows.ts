/** Routes on workflows, which decide the comments that get a private answer, and its product and instructions. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { boundedText, TallyError } from '@tally/core';
import { changeWorkflow, deleteWorkflow, insertWorkflow, listWorkflows } from '@tally/db';
import { limits } from '../../limits.ts';
import { bodyOf, toColumns } from '../../rows.ts';
import { bearer, Created, errorResponses, IdParam, IgId, jsonBody, jsonResponse } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';
import { deleteBy, deleteRoute, listRoute, nextCursor, orNotFound } from '../resources.ts';

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
const toWorkflow = bodyOf(Workflow);

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

const base = { tags: ['Workflows'], security: bearer };
const list = listRoute({
  ...base,
  path: '/api/workflows',
  summary: 'List workflows, newest first',
  name: 'workflows',
  item: Workflow,
});
const create = createRoute({
  ...base,
  method: 'post',
  path: '/api/workflows',
  summary: 'Answer comments in private: on which posts, with which words, about which product, in what manner',
  request: jsonBody(NewWorkflow),
  responses: { 201: jsonResponse('The workflow', { workflow: Workflow }), ...errorResponses(400, 401, 404, 409) },
});
const change = createRoute({
  ...base,
  method: 'patch',
  path: '/api/workflows/{id}',
  summary: 'Change a workflow',
  request: { params: IdParam, ...jsonBody(z.strictObject(fields).partial()) },
  responses: { 200: jsonResponse('The workflow', { workflow: Workflow }), ...errorResponses(400, 401, 404, 409) },
});
const remove = deleteRoute({ ...base, path: '/api/workflows/{id}', summary: 'Delete a workflow' });

const workflowLimits = { workflows: limits.maxWorkflows, keywordLetters: limits.maxKeywordLetters };

export function workflowRoutes({ db }: ApiServices) {
  return new OpenAPIHono<ApiEnv>()
    .openapi(list, async (c) => {
      const { limit, cursor } = c.req.valid('query');
      const rows = await listWorkflows(db, { accountId: c.get('identity').accountId, limit, beforeId: cursor });
      const body = { success: true as const, workflows: rows.map(toWorkflow), next_cursor: nextCursor(rows, limit) };
      return c.json(body, 200);
    })
    .openapi(create, async (c) => {
      const { accountId } = c.get('identity');
      const workflow = await insertWorkflow(db, accountId, toColumns(c.req.valid('json')), workflowLimits);
      if (workflow === 'too_many')
        throw new TallyError('conflict', `An account has at most ${limits.maxWorkflows} workflows`);
      return c.json({ success: true as const, workflow: toWorkflow(orNotFound('product', workflow)) }, 201);
    })
    .openapi(change, async (c) => {
      const { accountId } = c.get('identity');
      const { id } = c.req.valid('param');
      const workflow = await changeWorkflow(db, accountId, id, toColumns(c.req.valid('json')), workflowLimits);
      return c.json({ success: true as const, workflow: toWorkflow(orNotFound('workflow or product', workflow)) }, 200);
    })
    .openapi(
      remove,
      deleteBy('workflow', (accountId, id) => deleteWorkflow(db, accountId, id)),
    );
}
