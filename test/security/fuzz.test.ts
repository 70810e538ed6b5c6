/** Sends random, nearly valid bodies to every operation: no answer may be a 5xx. */
import type { Answer } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { filled, namesIn, type Operation, readOperations, type Schema, sample, typesOf } from './api-document.ts';
import { makeResources, resourceAt } from './resources.ts';
import { expectSound } from './sound.ts';

const env = { LIMIT_SUBMISSIONS_PER_MINUTE: '0', LIMIT_READS_PER_MINUTE: '0', LIMIT_LOGINS: '0' };
const platform = await startPlatform({ env });
const { call, newPerson } = platform;
const operations = (await readOperations(platform)).filter(({ body }) => body !== undefined);
const tenant = await newPerson({ tokens: 1_000_000 });
const operator = await newPerson({ role: 'operator', tokens: 1_000 });
const resources = await makeResources(platform, { ...tenant, marker: 'mine' });
await platform.stopWorkers();

/** These hash a password per request, so they get fewer runs. */
const isCostly = ({ path }: Operation) => /\/(register|login|password|erase)$/.test(path);

const oddNumbers = fc.constantFrom(-0, -1, 0.1 + 0.2, 2 ** 31, 2 ** 53, 2 ** 53 + 2, -(2 ** 63), 1e21, 5e-324, 1.7e308);
const oddTexts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    '',
    ' ',
    '\u00a0',
    '\u200b',
    'NaN',
    '0',
    '-1',
    'null',
    '[object Object]',
    '٣',
    'İ',
    '\ufeffa',
    '👩‍👩‍👧‍👦',
  ),
  fc.constantFrom('a@b.c', '"a b"@example.com', 'A@EXAMPLE.COM', 'http://[::1]/', 'https://ex ample/', 'data:,'),
  fc.nat(200_000).map((length) => 'x'.repeat(length)),
);
const oddDates = fc.oneof(
  fc.constantFrom('9999-12-31T23:59:59Z', '0000-01-01T00:00:00Z', '2026-02-30T00:00:00Z', '2026-01-01T00:00:00+23:59'),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
);
const anything: fc.Arbitrary<unknown> = fc.oneof(oddNumbers, oddTexts, fc.boolean(), fc.constant(null), fc.jsonValue());

/** A value of the field's type or of another. */
function oddFor(field: Schema): fc.Arbitrary<unknown> {
  if (field.format === 'date-time') return fc.oneof(oddDates, anything);
  const types = typesOf(field);
  if (types.includes('integer') || types.includes('number')) return fc.oneof(oddNumbers, anything);
  return types.includes('string') ? fc.oneof(oddTexts, anything) : anything;
}

/** Valid values for fields that refer to a row, so that requests get past the lookup. */
const known: Record<string, unknown> = {
  email: (await newPerson({ tokens: 1_000 })).email,
  plan: 'starter',
  product_id: resourceAt(resources, '/api/products/{id}').id,
  conversation_id: resourceAt(resources, '/api/chat/conversations/{id}').id,
  workflow_id: resourceAt(resources, '/api/workflows/{id}').id,
};

/** A body with at most two invalid fields, and sometimes fields such as `__proto__` or `account_id`. */
function bodyFor(schema: Schema): fc.Arbitrary<Record<string, unknown>> {
  const fields = Object.entries(schema.properties ?? {});
  const fitting = fields.map(([name, field]) => [name, fc.constant(known[name] ?? sample(field))] as const);
  const required = schema.required ?? [];
  const some = fc.record(Object.fromEntries(fitting), { requiredKeys: required });
  const base = schema.example === undefined ? some : fc.oneof(some, fc.constant(schema.example as object));
  const odd = fc
    .subarray(fields, { maxLength: Math.min(2, fields.length) })
    .chain((some) => fc.record(Object.fromEntries(some.map(([name, field]) => [name, oddFor(field)]))));
  const strange = fc.dictionary(
    fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', 'id', 'account_id', 'role', '$where', ''),
    fc.jsonValue(),
    { maxKeys: 2 },
  );
  const more = fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: strange });
  return fc.tuple(base, odd, more).map(([one, two, three]) => ({ ...one, ...two, ...three }));
}

describe.each(operations)('$name', (operation) => {
  const ids = namesIn(operation.path).map((name) => [
    name,
    resourceAt(resources, operation.path.slice(0, operation.path.indexOf(`{${name}}`) + name.length + 2)).id,
  ]);
  const path = filled(operation.path, Object.fromEntries(ids));
  const { token } = operation.path.startsWith('/api/admin') ? operator : tenant;

  it('never answers a random body with a 5xx', async () => {
    const send = async (body: unknown): Promise<Answer> => call(operation.method, path, { token, body });
    await fc.assert(
      fc.asyncProperty(bodyFor(operation.body ?? {}), async (body) => {
        expectSound(await send(body), JSON.stringify(body).slice(0, 1_000));
      }),
      { numRuns: isCostly(operation) ? 15 : 80 },
    );
  });
});
