/** Routes on an account's question/answer pairs about its products. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { boundedText, TallyError } from '@tally/core';
import { correctQaPair, deleteQaPair, isUniqueViolation, listQaPairs } from '@tally/db';
import { limits } from '../../limits.ts';
import { bodyOf } from '../../rows.ts';
import { bearer, Created, errorResponses, IdParam, jsonBody, jsonResponse } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';
import { deleteBy, deleteRoute, listRoute, nextCursor, orNotFound } from '../resources.ts';

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
const toPair = bodyOf(Pair);

const text = boundedText(limits.maxProductTextCharacters);
const base = { tags: ['Q&A'], security: bearer };
const list = listRoute({
  ...base,
  path: '/api/qa',
  summary: 'List question/answer pairs, newest first',
  name: 'qa',
  item: Pair,
  query: { product_id: z.uuid().optional() },
});
const correct = createRoute({
  ...base,
  method: 'patch',
  path: '/api/qa/{id}',
  summary: 'Correct a question or its answer',
  request: { params: IdParam, ...jsonBody(z.strictObject({ question: text, answer: text }).partial()) },
  responses: { 200: jsonResponse('The pair', { qa: Pair }), ...errorResponses(400, 401, 404, 409) },
});
const remove = deleteRoute({ ...base, path: '/api/qa/{id}', summary: 'Delete a pair' });

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
      return c.json({ success: true as const, qa: toPair(orNotFound('pair', pair)) }, 200);
    })
    .openapi(
      remove,
      deleteBy('pair', (accountId, id) => deleteQaPair(db, accountId, id)),
    );
}
