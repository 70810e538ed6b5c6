/** Routes on an account's prompt: the versioned instructions for its answers. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { boundedText } from '@tally/core';
import { listPrompts, writePrompt } from '@tally/db';
import { limits } from '../../limits.ts';
import { bodyOf } from '../../rows.ts';
import { bearer, Created, errorResponses, jsonBody, jsonResponse } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';

const Prompt = z
  .object({ version: z.int(), text: z.string(), origin: z.enum(['generated', 'owner']), created_at: Created })
  .openapi('Prompt');
const toPrompt = bodyOf(Prompt);

const base = { path: '/api/prompt', tags: ['Prompt'], security: bearer };
const get = createRoute({
  ...base,
  method: 'get',
  summary: 'The prompt in use (null where there is none) and its latest versions',
  responses: {
    200: jsonResponse('The prompt', { prompt: Prompt.nullable(), versions: z.array(Prompt) }),
    ...errorResponses(401),
  },
});
const put = createRoute({
  ...base,
  method: 'put',
  summary: 'Write the next version, which is in use from now on',
  request: jsonBody(z.strictObject({ text: boundedText(limits.maxPromptCharacters) })),
  responses: { 200: jsonResponse('The prompt', { prompt: Prompt }), ...errorResponses(400, 401) },
});

export function promptRoutes({ db }: ApiServices) {
  return new OpenAPIHono<ApiEnv>()
    .openapi(get, async (c) => {
      const versions = (await listPrompts(db, c.get('identity').accountId, limits.maxPageSize)).map(toPrompt);
      return c.json({ success: true as const, prompt: versions[0] ?? null, versions }, 200);
    })
    .openapi(put, async (c) => {
      const prompt = await writePrompt(db, c.get('identity').accountId, c.req.valid('json').text);
      return c.json({ success: true as const, prompt: toPrompt(prompt) }, 200);
    });
}
