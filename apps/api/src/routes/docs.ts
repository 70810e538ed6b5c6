/** The OpenAPI document and Swagger UI, served from its npm package without external files. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Hono } from 'hono';
import { LRUCache } from 'lru-cache';
import type { Api, ApiEnv } from '../services.ts';

const folder = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
const files: Record<string, string> = {
  'swagger-ui.css': 'text/css',
  'swagger-ui-bundle.js': 'text/javascript',
  'favicon-32x32.png': 'image/png',
};
const pageAt = (prefix: string) => `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Tally API</title>
  <link rel="stylesheet" href="${prefix}/docs/swagger-ui.css"><link rel="icon" href="${prefix}/docs/favicon-32x32.png">
</head>
<body>
  <div id="ui"></div>
  <script src="${prefix}/docs/swagger-ui-bundle.js"></script>
  <script src="${prefix}/docs/start.js"></script>
</body>
</html>`;
const scriptAt = (prefix: string) =>
  `SwaggerUIBundle({ url: '${prefix}/openapi.json', dom_id: '#ui', deepLinking: true, persistAuthorization: true, validatorUrl: null });`;
const security = {
  'content-security-policy':
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
};

/** For public responses with the path prefix, which comes from the request: keeps them out of shared caches. */
export const privateCacheHeaders = { 'cache-control': 'private, no-cache', vary: 'X-Forwarded-Prefix' };

const maxPrefixes = 20;

/** The OpenAPI document as JSON per path prefix; built once, at the first call, since the route is public. */
export function createDocument(
  app: Api,
  info: { title: string; version: string; description: string },
): (prefix: string) => Uint8Array<ArrayBuffer> {
  let withoutEnd: string | undefined;
  const documents = new LRUCache<string, Uint8Array<ArrayBuffer>>({ max: maxPrefixes });
  return (prefix) => {
    const known = documents.get(prefix);
    if (known !== undefined) return known;
    withoutEnd ??= JSON.stringify(app.getOpenAPI31Document({ openapi: '3.1.0', info })).slice(0, -1);
    const document = new TextEncoder().encode(`${withoutEnd},"servers":${JSON.stringify([{ url: prefix || '/' }])}}`);
    documents.set(prefix, document);
    return document;
  };
}

export function docsRoutes() {
  return new Hono<ApiEnv>()
    .get('/', (c) => c.body(null, 302, { ...privateCacheHeaders, location: `${c.get('prefix')}/docs` }))
    .get('/docs', (c) => c.html(pageAt(c.get('prefix')), 200, { ...security, ...privateCacheHeaders }))
    .get('/docs/start.js', (c) =>
      c.text(scriptAt(c.get('prefix')), 200, { ...privateCacheHeaders, 'content-type': 'text/javascript' }),
    )
    .get('/docs/:file', async (c) => {
      const file = c.req.param('file');
      const type = Object.hasOwn(files, file) ? files[file] : undefined;
      if (type === undefined) return c.notFound();
      return c.body(await readFile(join(folder, file)), 200, { 'content-type': type, 'cache-control': 'max-age=3600' });
    });
}
