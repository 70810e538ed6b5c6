/** Routes on an account's question/answer pairs about its products. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { boundedText, TallyError } from '@tally/core';
import { correctQaPair, deleteQaPair, isUniqueViolation, listQaPairs, type QaRow } from '@tally/db';
import { limits } from '../../limits.ts';
import {
  bearer,
  Created,
  errorResponses,
  IdParam,
  jsonBody,
  jsonResponse,
  nextCursor,
  PageQuery,
} from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';

const Pair = z
  .object({
    id: z.uuid(),
    product_id: z.uuid().nullable(),
    url: z.string().nullable(),
    question: z.string(),
    answer: z.string(),
    corrected: z.boolean(),
    created_at: Created,
  })
  .openapi('QuestionAnswer');
const toPair = ({ productId, createdAt, ...pair }: QaRow): z.infer<typeof Pair> => ({
  ...pair,
  product_id: productId,
  created_at: createdAt.toISOString(),
});

const text = boundedText(limits.maxProductTextCharacters);
const base = { tags: ['Q&A'], security: bearer };
const list = createRoute({
  ...base,
  method: 'get',
  path: '/api/qa',
  summary: 'List question/answer pairs, newest first',
  request: { query: PageQuery.extend({ product_id: z.uuid().optional() }) },
  responses: {
    200: jsonResponse('A page', { qa: z.array(Pair), next_cursor: z.string().nullable() }),
    ...errorResponses(400, 401),
  },
});
const correct = createRoute({
  ...base,
  method: 'patch',
  path: '/api/qa/{id}',
  summary: 'Correct a question or its answer',
  request: { params: IdParam, ...jsonBody(z.strictObject({ question: text, answer: text }).partial()) },
  responses: { 200: jsonResponse('The pair', { qa: Pair }), ...errorResponses(400, 401, 404, 409) },
});
const remove = createRoute({
  ...base,
  method: 'delete',
  path: '/api/qa/{id}',
  summary: 'Delete a pair',
  request: { params: IdParam },
  responses: { 200: jsonResponse('Deleted', {}), ...errorResponses(401, 404) },
});

export function qaRoutes({ db }: ApiServices) {
  return new OpenAPIHono<ApiEnv>()
    .openapi(list, async (c) => {
      const { limit, cursor, product_id: productId } = c.req.valid('query');
      const { accountId } = c.get('identity');
      const rows = await listQaPairs(db, { accountId, limit, beforeId: cursor, productId });
      return c.json({ success: true as const, qa: rows.map(toPair), next_cursor: nextCursor(rows, limit) }, 200);
    })
    .openapi(correct, async (c) => {
      const { id } = c.req.valid('param');
      const pair = await correctQaPair(db, c.get('identity').accountId, id, c.req.valid('json')).catch((error) => {
        if (isUniqueViolation(error)) throw new TallyError('conflict', 'That question exists already');
        throw error;
      });
      if (pair === undefined) throw new TallyError('not_found', 'There is no such pair');
      return c.json({ success: true as const, qa: toPair(pair) }, 200);
    })
    .openapi(remove, async (c) => {
      const found = await deleteQaPair(db, c.get('identity').accountId, c.req.valid('param').id);
      if (!found) throw new TallyError('not_found', 'There is no such pair');
      return c.json({ success: true as const }, 200);
    });
}
