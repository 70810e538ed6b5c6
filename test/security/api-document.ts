/** The OpenAPI document as attacks read it: every operation, and bodies that fit or nearly fit its schemas. */
import type { Platform } from '@tally/testing';

export type Schema = {
  $ref?: string;
  type?: string | string[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  additionalProperties?: boolean | Schema;
  enum?: unknown[];
  format?: string;
  pattern?: string;
  minLength?: number;
  minimum?: number;
  example?: unknown;
  default?: unknown;
};
type Parameter = { in: 'path' | 'query' | 'header'; name: string; schema: Schema; required?: boolean };
type Described = {
  parameters?: Parameter[];
  security?: unknown[];
  requestBody?: { content?: Record<string, { schema?: Schema }> };
};
type Document = { paths: Record<string, Record<string, Described>>; components?: { schemas?: Record<string, Schema> } };

export type Operation = {
  /** `POST /api/knowledge`: how tests name it. */
  name: string;
  method: string;
  /** With parameters as `{id}`. */
  path: string;
  parameters: Parameter[];
  /** Of a JSON body, its references resolved. */
  body: Schema | undefined;
  /** Whether the document says that a login is needed. */
  needsLogin: boolean;
};

/** Every operation of the document that this platform publishes. */
export async function readOperations({ call }: Pick<Platform, 'call'>): Promise<Operation[]> {
  const { body: document } = await call<Document>('GET', '/openapi.json');
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([verb, described]) => {
      const method = verb.toUpperCase();
      const schema = described.requestBody?.content?.['application/json']?.schema;
      return {
        name: `${method} ${path}`,
        method,
        path,
        parameters: described.parameters ?? [],
        body: schema && resolved(schema, document),
        needsLogin: (described.security ?? []).length > 0,
      };
    }),
  );
}

function resolved(schema: Schema, document: Document): Schema {
  const name = schema.$ref?.split('/').at(-1);
  const found = name === undefined ? schema : document.components?.schemas?.[name];
  if (found === undefined) throw new Error(`the document has no ${schema.$ref}`);
  const { properties, items, anyOf } = found;
  const all = Object.entries(properties ?? {}).map(([key, field]) => [key, resolved(field, document)] as const);
  return {
    ...found,
    ...(properties && { properties: Object.fromEntries(all) }),
    ...(items && { items: resolved(items, document) }),
    ...(anyOf && { anyOf: anyOf.map((one) => resolved(one, document)) }),
  };
}

/** The names of a path's parameters, in their order. */
export const namesIn = (path: string): string[] => [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '');

/** `/api/jobs/{id}` with values in the place of names, as a client that quotes them writes it. */
export const filled = (path: string, values: Record<string, string>): string =>
  path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? ''));

const byFormat: Record<string, unknown> = {
  uuid: '0198a000-0000-7000-8000-000000000000',
  email: 'somebody@example.com',
  uri: 'https://shop.example/p/kettle',
  'date-time': '2026-11-24T10:00:00Z',
};
const byPattern = ['17841400000000001', 'EUR', 'lamps.lisbon', 'x'.repeat(43)];

/** A value that fits. @throws where a pattern is met for which no value is known */
export function sample(schema: Schema): unknown {
  if (schema.example !== undefined) return schema.example;
  if (schema.enum !== undefined) return schema.enum[0];
  if (schema.anyOf?.[0] !== undefined) return sample(schema.anyOf[0]);
  switch (typesOf(schema)[0]) {
    case 'object':
      return Object.fromEntries(requiredOf(schema).map((key) => [key, sample(schema.properties?.[key] ?? {})]));
    case 'array':
      return [sample(schema.items ?? {})];
    case 'string':
      return sampleText(schema);
    case 'integer':
    case 'number':
      return Math.max(1, schema.minimum ?? 1);
    case 'boolean':
      return true;
    default:
      return null;
  }
}

function sampleText({ format, pattern, minLength }: Schema): unknown {
  if (format !== undefined && format in byFormat) return byFormat[format];
  if (pattern === undefined) return 'some text'.padEnd(minLength ?? 0, '.');
  const fits = byPattern.find((text) => new RegExp(pattern).test(text));
  if (fits === undefined)
    throw new Error(`no text fits ${pattern}: add one to byPattern in test/security/api-document.ts`);
  return fits;
}

export const typesOf = ({ type, anyOf }: Schema): string[] => [type ?? anyOf?.flatMap(typesOf) ?? []].flat();
const requiredOf = ({ required, properties }: Schema): string[] =>
  required ?? Object.keys(properties ?? {}).slice(0, 1);

/** The fields of a body that take text, their own or in a list. */
export const textFieldsOf = ({ properties = {} }: Schema): string[] =>
  Object.entries(properties).flatMap(([key, field]) =>
    [field, field.items ?? {}].some((one) => typesOf(one).includes('string')) ? [key] : [],
  );

/**
 * Bodies in which `field` is `value` and everything else fits: with what the document's example has, and with nothing but
 * what is required, since some fields exclude each other.
 */
export function bodiesWith(schema: Schema, field: string, value: unknown): Record<string, unknown>[] {
  const given = typesOf(schema.properties?.[field] ?? {}).includes('array') ? [value] : value;
  const { example: _, ...bare } = schema;
  const bases = [sample(schema), sample({ ...bare, required: schema.required ?? [] })];
  const bodies = bases.map((base) => JSON.stringify({ ...(base as object), [field]: given }));
  return [...new Set(bodies)].map((body) => JSON.parse(body) as Record<string, unknown>);
}
