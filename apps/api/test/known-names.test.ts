import { defineTask, tasks } from '@tally/tasks';
import type { Answer } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  bodiesWith,
  filled,
  namesIn,
  readOperations,
  type Schema,
  sample,
} from '../../../test/security/api-document.ts';

/** A task whose input has every kind of schema nesting. */
const nested = defineTask({
  name: 'nested',
  path: '/api/test/nested',
  summary: 'Nested input',
  input: z
    .object({
      text: z.string(),
      address: z
        .object({ street: z.string(), geo: z.object({ lat: z.number() }).optional() })
        .nullable()
        .optional(),
      lines: z.array(z.object({ amount: z.number().default(1) })).default([]),
      facts: z.union([z.string(), z.record(z.string(), z.string())]).optional(),
      source: z
        .union([z.object({ url: z.string() }), z.object({ file: z.string(), page: z.number().optional() })])
        .optional(),
      shelves: z.record(z.string(), z.object({ height: z.number() })).optional(),
      box: z
        .object({ size: z.number() })
        .transform((box) => box)
        .readonly()
        .optional(),
      free: z.looseObject({ a: z.string().optional() }).optional(),
      anything: z.unknown().optional(),
    })
    .refine(({ text }) => text !== 'no', 'must not be no'),
  output: z.object({}),
  queue: { attempts: 1, timeoutMs: 1_000 },
  outputTokens: { min: 1, max: 10 },
  run: async () => ({}),
});

const platform = await startPlatform({
  worker: false,
  tasks: [...tasks, nested],
  env: { LIMIT_SUBMISSIONS_PER_MINUTE: '0', LIMIT_LOGINS: '0' },
});
const { call, newPerson } = platform;
const operations = await readOperations(platform);
const operator = await newPerson({ role: 'operator', tokens: 10_000 });
const poor = await newPerson();
const anyId = '0198a000-0000-7000-8000-000000000000';

type Details = { details: { path: string; message: string }[] };
function expectUnknown(answer: Answer, faults: { path: string; message: string }[]) {
  const { details } = answer.body as Details;
  expect({ status: answer.status, code: answer.body.error_code, details }).toEqual({
    status: 400,
    code: 'invalid_input',
    details: faults,
  });
  expect(answer.body.error).toBe(`The input is not valid: ${faults[0]?.message}`);
}

const misspelt = (name: string) => (name.length > 3 ? name.replace(/^(.)(.)/, '$2$1') : `${name}s`);
const unknown = (kind: 'field' | 'query parameter', name: string, nearest: string) => ({
  path: name,
  message: `unknown ${kind} \`${name}\`, did you mean \`${nearest}\`?`,
});
const addressOf = (path: string) => filled(path, Object.fromEntries(namesIn(path).map((name) => [name, anyId])));
const fieldsOf = (body: Schema) => Object.keys(body.properties ?? {});

describe.each(operations)('$name', ({ method, path, parameters, body, needsLogin }) => {
  const address = addressOf(path);
  const isTask = [...tasks, nested].some((task) => task.path === path);
  const base = body && bodiesWith(body, fieldsOf(body)[0] ?? '', undefined)[0];
  const sent = base === undefined ? {} : { body: base };
  const queryNames = parameters.filter((one) => one.in === 'query').map(({ name }) => name);

  it('refuses an unknown query parameter with the nearest name', async () => {
    for (const name of queryNames) {
      const wrong = misspelt(name);
      const answer = await call(method, `${address}?${wrong}=1`, { token: operator.token, ...sent });
      expectUnknown(answer, [unknown('query parameter', wrong, name)]);
    }
    const far = await call(method, `${address}?utm_campaign=1`, { token: operator.token, ...sent });
    const there = queryNames.length === 0 ? '' : `; there is ${queryNames.map((name) => `\`${name}\``).join(', ')}`;
    expectUnknown(far, [{ path: 'utm_campaign', message: `unknown query parameter \`utm_campaign\`${there}` }]);
  });

  const hasBody = body !== undefined;
  if (hasBody)
    it('refuses an unknown body field with the nearest name', async () => {
      for (const name of fieldsOf(body ?? {})) {
        const wrong = misspelt(name);
        const answer = await call(method, address, { token: operator.token, body: { ...base, [wrong]: 'x' } });
        expectUnknown(answer, [unknown('field', wrong, name)]);
      }
    });

  if (!hasBody && ['POST', 'PUT', 'PATCH'].includes(method))
    it('refuses any body field, and needs no body', async () => {
      const fields = await call(method, address, { token: operator.token, body: { until: 'tomorrow' } });
      expectUnknown(fields, [{ path: 'until', message: 'unknown field `until`' }]);
      for (const none of [{}, { body: {} }, { raw: '' }])
        expect((await call(method, address, { token: operator.token, ...none })).status).not.toBe(400);
    });

  if (isTask)
    it('returns 402 first to an account without tokens', async () => {
      const input = { ...base, zzz: 1 };
      for (const [query, sentBody] of [
        ['', input],
        ['?zzz=1', base],
      ] as const)
        expect(await call(method, `${address}${query}`, { token: poor.token, body: sentBody })).toMatchObject({
          status: 402,
          body: { error_code: 'no_subscription', tokens_remaining: 0 },
        });
    });

  if (needsLogin)
    it('returns 401 without a login, whatever the names', async () => {
      const answer = await call(method, `${address}?zzz=1`, { body: undefined, ...(body && { body: { zzz: 1 } }) });
      expect(answer.status).toBe(401);
    });
});

type Place = { inner: Schema; put: (value: unknown) => unknown };
/** The objects with known names inside a schema, each with a function that builds a body with a value in its place. */
function* placesIn(schema: Schema, put: Place['put'] = (value) => value): Generator<Place> {
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const base = sample({ ...schema, required: schema.required ?? [] }) as object;
    yield* placeAt(field, (value) => put({ ...base, [name]: value }));
  }
  if (schema.items) yield* placeAt(schema.items, (value) => put([value]));
  if (typeof schema.additionalProperties === 'object')
    yield* placeAt(schema.additionalProperties, (value) => put({ any: value }));
  for (const option of schema.anyOf ?? []) yield* placesIn(option, put);
}
function* placeAt(schema: Schema, put: Place['put']): Generator<Place> {
  for (const inner of [schema, ...(schema.anyOf ?? [])])
    if (inner.properties && !inner.additionalProperties) yield { inner, put };
  yield* placesIn(schema, put);
}

describe('nested input', () => {
  const send = (body: object) => call('POST', nested.path, { token: operator.token, body: { text: 'x', ...body } });

  it('is checked in every nested object of the OpenAPI document', async () => {
    const places = operations.flatMap(({ method, path, body }) =>
      [...placesIn(body ?? {})].map((place) => ({ method, path, ...place })),
    );
    expect(new Set(places.map(({ path }) => path))).toContain(nested.path);
    for (const { method, path, inner, put } of places) {
      const body = put({ ...(sample(inner) as object), zzz: 1 });
      const answer = await call(method, addressOf(path), { token: operator.token, body });
      expect(answer, path).toMatchObject({
        status: 400,
        body: { details: [{ path: expect.stringMatching(/\.zzz$/) }] },
      });
    }
  });

  it.each<[object, string, string]>([
    [{ address: { street: 'x', sreet: 'y' } }, 'address.sreet', 'street'],
    [{ address: { street: 'x', geo: { lat: 1, lta: 2 } } }, 'address.geo.lta', 'lat'],
    [{ lines: [{ amount: 1 }, { ammount: 2 }] }, 'lines.1.ammount', 'amount'],
    [{ source: { file: 'x', pages: 1 } }, 'source.pages', 'page'],
    [{ source: { url: 'x', urls: 1 } }, 'source.urls', 'url'],
    [{ source: { ulr: 'x' } }, 'source.ulr', 'url'],
    [{ box: { size: 1, sise: 2 } }, 'box.sise', 'size'],
    [{ shelves: { top: { height: 1, heigth: 2 } } }, 'shelves.top.heigth', 'height'],
  ])('%j is refused for %s', async (body, path, nearest) => {
    expectUnknown(await send(body), [
      { path, message: `unknown field \`${path.split('.').at(-1)}\`, did you mean \`${nearest}\`?` },
    ]);
  });

  it.each<[object]>([
    [{ facts: 'text' }],
    [{ facts: { anything: 'goes', Address: 'y' } }],
    [{ free: { a: 'x', b: 1 }, anything: { c: [{ d: 1 }] } }],
    [{ address: null, lines: [] }],
    [{ source: { url: 'x' } }],
    [{ shelves: { top: { height: 1 }, bottom: { height: 2 } } }],
  ])('%j is accepted', async (body) => {
    expect((await send(body)).status).toBe(202);
  });

  it('may have any names in prompt-enhancement’s business record', async () => {
    const body = { prompt: 'be nice', business: { 'Opening hours': '10 to 19', nmae: 'Lamps' } };
    expect((await call('POST', '/api/web-knowledge/generate-prompt', { token: operator.token, body })).status).toBe(
      202,
    );
  });

  it('gets the known names if none is near, at most 20 faults', async () => {
    const far = await call('POST', '/api/knowledge', {
      token: operator.token,
      body: { title: 'x', text: 'y', category: 1 },
    });
    expectUnknown(far, [{ path: 'category', message: 'unknown field `category`; there is `title`, `text`' }]);
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`x${i}`, i]));
    expect(((await send(many)).body as Details).details).toHaveLength(20);
  });

  it('has long unknown names shortened in the error', async () => {
    const answer = await send({ [`${'x'.repeat(63)}😀${'y'.repeat(100_000)}`]: 1 });
    expect(answer.status).toBe(400);
    expect(answer.text.length).toBeLessThan(1_000);
    expect(answer.text.isWellFormed()).toBe(true);
  });

  it.each(['toString', 'constructor', '__proto__', 'hasOwnProperty'])(
    'does not accept %s as a known name',
    async (name) => {
      const raw = `{"text":"x","${name}":{"a":1}}`;
      const answer = await call('POST', nested.path, { token: operator.token, raw });
      expect(answer).toMatchObject({ status: 400, body: { details: [{ path: name }] } });
      const query = await call('GET', `/api/jobs?${name}=1`, { token: operator.token });
      expect(query).toMatchObject({ status: 400, body: { details: [{ path: name }] } });
    },
  );
});

describe('routes without schemas', () => {
  it.each(['/health?v=1', '/ready?v=1', '/metrics?v=1', '/docs?v=1', '/openapi.json?v=1'])(
    'accept any query: %s',
    async (path) => {
      expect([200, 503]).toContain((await call('GET', path)).status);
    },
  );
});
