/** Routes on an account's knowledge entries, the source of its answers. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { boundedText, TallyError } from '@tally/core';
import { deleteKnowledge, insertKnowledge, type KnowledgeEntry, listKnowledge } from '@tally/db';
import { limits } from '../../limits.ts';
import {
  bearer,
  Created,
  cursorAfter,
  errorResponses,
  IdParam,
  jsonBody,
  jsonResponse,
  PageQuery,
} from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';

const Knowledge = z
  .object({ id: z.uuid(), title: z.string(), text: z.string(), created_at: Created })
  .openapi('Knowledge');
const toKnowledge = ({ id, title, text, createdAt }: KnowledgeEntry) => ({
  id,
  title,
  text,
  created_at: createdAt.toISOString(),
});

const list = createRoute({
  method: 'get',
  path: '/api/knowledge',
  tags: ['Knowledge'],
  summary: 'List entries, newest first',
  description:
    'A page ends early where its texts come to a megabyte: go by `next_cursor`, not by the number of entries.',
  security: bearer,
  request: {
    query: PageQuery,
  },
  responses: {
    200: jsonResponse('A page', { knowledge: z.array(Knowledge), next_cursor: z.string().nullable() }),
    ...errorResponses(400, 401),
  },
});
const create = createRoute({
  method: 'post',
  path: '/api/knowledge',
  tags: ['Knowledge'],
  summary: 'Add an entry',
  security: bearer,
  request: jsonBody(
    z.object({
      title: boundedText(limits.maxTitleCharacters),
      text: boundedText(limits.maxKnowledgeCharacters),
    }),
  ),
  responses: { 201: jsonResponse('The entry', { knowledge: Knowledge }), ...errorResponses(400, 401, 413) },
});
const remove = createRoute({
  method: 'delete',
  path: '/api/knowledge/{id}',
  tags: ['Knowledge'],
  summary: 'Delete an entry',
  security: bearer,
  request: { params: IdParam },
  responses: { 200: jsonResponse('Deleted', {}), ...errorResponses(401, 404) },
});

export function knowledgeRoutes({ db, textThreads }: ApiServices) {
  return new OpenAPIHono<ApiEnv>()
    .openapi(list, async (c) => {
      const { limit, cursor } = c.req.valid('query');
      const { entries, hasMore } = await listKnowledge(db, {
        accountId: c.get('identity').accountId,
        limit,
        maxBytes: limits.maxPageTextBytes,
        beforeId: cursor,
      });
      const next_cursor = hasMore ? cursorAfter(entries) : null;
      return c.json({ success: true as const, knowledge: entries.map(toKnowledge), next_cursor }, 200);
    })
    .openapi(create, async (c) => {
      const { accountId } = c.get('identity');
      const input = c.req.valid('json');
      const entry = await insertKnowledge(db, { accountId, ...input, passages: await textThreads.cut(input) });
      return c.json({ success: true as const, knowledge: toKnowledge(entry) }, 201);
    })
    .openapi(remove, async (c) => {
      const found = await deleteKnowledge(db, c.get('identity').accountId, c.req.valid('param').id);
      if (!found) throw new TallyError('not_found', 'There is no such entry');
      return c.json({ success: true as const }, 200);
    });
}
