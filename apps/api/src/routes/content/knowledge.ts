/** Routes on an account's knowledge entries, the source of its answers. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { boundedText } from '@tally/core';
import { deleteKnowledge, insertKnowledge, listKnowledge } from '@tally/db';
import { limits } from '../../limits.ts';
import { bodyOf } from '../../rows.ts';
import { bearer, Created, errorResponses, jsonBody, jsonResponse } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';
import { cursorAfter, deleteBy, deleteRoute, listRoute } from '../resources.ts';

const Knowledge = z
  .object({ id: z.uuid(), title: z.string(), text: z.string(), created_at: Created })
  .openapi('Knowledge');
const toKnowledge = bodyOf(Knowledge);

const base = { path: '/api/knowledge', tags: ['Knowledge'], security: bearer };

const list = listRoute({
  ...base,
  summary: 'List entries, newest first',
  description:
    'A page ends early where its texts come to a megabyte: go by `next_cursor`, not by the number of entries.',
  name: 'knowledge',
  item: Knowledge,
});
const create = createRoute({
  ...base,
  method: 'post',
  summary: 'Add an entry',
  request: jsonBody(
    z.object({
      title: boundedText(limits.maxTitleCharacters),
      text: boundedText(limits.maxKnowledgeCharacters),
    }),
  ),
  responses: { 201: jsonResponse('The entry', { knowledge: Knowledge }), ...errorResponses(400, 401, 413) },
});
const remove = deleteRoute({ ...base, path: '/api/knowledge/{id}', summary: 'Delete an entry' });

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
    .openapi(
      remove,
      deleteBy('entry', (accountId, id) => deleteKnowledge(db, accountId, id)),
    );
}
