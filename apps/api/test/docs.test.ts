import { tasks } from '@tally/tasks';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';

const { call, newPerson } = await startPlatform({ worker: false });

type Operation = {
  summary?: string;
  security?: Record<string, string[]>[];
  parameters?: { name: string; in: string; required?: boolean; schema: unknown }[];
  requestBody?: { required?: boolean; content: Record<string, { schema: unknown }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: unknown }> }>;
};
type Document = {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, unknown>; securitySchemes: Record<string, { type: string; scheme: string }> };
};

const { body: document } = await call<Document>('GET', '/openapi.json');
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    name: `${method.toUpperCase()} ${path}`,
    method,
    path,
    operation,
  })),
);
const hasNoBody = (status: string) => status === '204' || status === '304';
const open = ['POST /api/accounts/register', 'POST /api/accounts/login'];

describe('/openapi.json', () => {
  it('lists every route and every task', () => {
    const names = operations.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining([
        ...open,
        'POST /api/accounts/password',
        'GET /api/accounts/api-keys',
        'POST /api/accounts/api-keys',
        'DELETE /api/accounts/api-keys/{id}',
        'GET /api/accounts/profile',
        'GET /api/accounts/overview',
        'GET /api/accounts/export',
        'POST /api/accounts/erase',
        'GET /api/billing/overview',
        'GET /api/billing/subscription',
        'GET /api/billing/plans',
        'GET /api/billing/usage',
        'GET /api/jobs',
        'GET /api/jobs/{id}',
        'GET /api/jobs/{id}/events',
        'GET /api/knowledge',
        'POST /api/knowledge',
        'DELETE /api/knowledge/{id}',
        'POST /api/admin/subscriptions',
        'POST /api/admin/grants',
        ...tasks.map(({ path }) => `POST ${path}`),
      ]),
    );
    expect(tasks.length).toBeGreaterThan(0);
    expect(new Set(names).size).toBe(names.length);
  });

  it('is valid OpenAPI 3.1: references, parameters, responses', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(document.info).toMatchObject({ title: expect.any(String), version: expect.any(String) });
    expect(document.components.securitySchemes.bearer).toMatchObject({ type: 'http', scheme: 'bearer' });
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)];
    expect(references.length).toBeGreaterThan(0);
    for (const [, name] of references) expect(Object.keys(document.components.schemas)).toContain(name);
    // OpenAPI 3.0's keyword, which 3.1 replaced by type null.
    expect(JSON.stringify(document)).not.toContain('"nullable"');
    for (const { path, operation } of operations) {
      expect(operation.summary).toBeTruthy();
      const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      expect(declared.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
      for (const parameter of declared) expect(parameter.required).toBe(true);
      expect(Object.keys(operation.responses).some((status) => status.startsWith('2'))).toBe(true);
      for (const [status, { description, content = {} }] of Object.entries(operation.responses)) {
        expect(description).toBeTruthy();
        const schemas = Object.values(content).map(({ schema }) => schema);
        expect(schemas).toEqual(hasNoBody(status) ? [] : [expect.any(Object)]);
      }
    }
  });

  it('documents a task’s input and responses', () => {
    const { operation } = operations.find(({ path }) => path === '/api/ai/ask-question') ?? {};
    expect(Object.keys(operation?.responses ?? {})).toEqual(
      expect.arrayContaining(['200', '202', '400', '401', '402', '409', '413', '429', '503']),
    );
    expect(operation?.requestBody).toMatchObject({
      required: true,
      content: { 'application/json': { schema: { required: ['question'] } } },
    });
    expect(operation?.parameters?.map(({ name }) => name).sort()).toEqual(['idempotency-key', 'prefer']);
  });

  it('documents a job’s events as a stream', () => {
    const { operation } = operations.find(({ name }) => name === 'GET /api/jobs/{id}/events') ?? {};
    expect(Object.keys(operation?.responses ?? {})).toEqual(['200', '204', '400', '401', '404', '429', '503']);
    expect(Object.keys(operation?.responses['200']?.content ?? {})).toEqual(['text/event-stream']);
    expect(operation?.parameters?.map(({ name }) => name)).toContain('last-event-id');
  });

  const readings = operations.filter(
    ({ method, operation }) => method === 'get' && operation.responses['200']?.content?.['application/json'],
  );
  it.each(readings)('documents the response shape of $name', async ({ path, operation }) => {
    const { token } = await newPerson({ tokens: 1_000 });
    const { status, body } = await call('GET', path.replace('{id}', '1'), { token });
    const schema = operation.responses[status]?.content?.['application/json']?.schema as {
      $ref?: string;
      properties?: object;
    };
    const promised = schema.$ref
      ? ['success', 'error', 'error_code', 'request_id']
      : Object.keys(schema.properties ?? {});
    expect(Object.keys(body).sort()).toEqual(promised.sort());
  });
});

describe('/docs', () => {
  it('loads its files from this origin only', async () => {
    const page = await call('GET', '/docs');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    const assets = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address ?? '');
    expect(assets.length).toBeGreaterThan(2);
    for (const address of assets) {
      expect(address).toMatch(/^\/docs\//);
      const asset = await call('GET', address);
      expect(asset.status).toBe(200);
      expect(asset.text.length).toBeGreaterThan(50);
    }
    const start = await call('GET', '/docs/start.js');
    expect(start.headers.get('content-type')).toContain('text/javascript');
    expect(start.text).toContain("url: '/openapi.json'");
    expect(page.text + start.text).not.toMatch(/https?:\/\//);
  });
});
