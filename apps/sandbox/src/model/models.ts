/** `GET /models` below a dialect's base URL: names to choose from. Chat completions take any name. */
import { Hono } from 'hono';
import type { Dialect } from './dialects/dialect.ts';

const modelNames = ['gpt-4o-mini', 'gpt-4o', 'gpt-4.1-mini', 'sandbox'];
/** The release of gpt-4o-mini (2024-07-18), in Unix seconds, as OpenAI dates models. */
const createdAt = 1_721_260_800;

/** The routes of a dialect but the chat completions, open to `apiKey` alone where there is one. */
export function createModels(apiKey: string | undefined, { errors, writeError }: Dialect): Hono {
  const models = new Hono();
  models.use(async (c, next) => {
    if (apiKey === undefined || c.req.header('authorization') === `Bearer ${apiKey}`) return next();
    return Response.json(writeError(errors.unauthorized, undefined), { status: errors.unauthorized.status });
  });
  models.get('/models', (c) =>
    c.json({
      object: 'list',
      data: modelNames.map((id) => ({ id, object: 'model', created: createdAt, owned_by: 'tally-sandbox' })),
    }),
  );
  return models;
}
