/** Reads operations and sample bodies from the OpenAPI document, so that tests cover every route. */
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
  /** Method and path, e.g. `POST /api/knowledge`. */
  name: string;
  method: string;
  /** With parameters in the form `{id}`. */
  path: string;
  parameters: Parameter[];
  /** Schema of the JSON body, with references resolved. */
  body: Schema | undefined;
  /** Whether the document requires authentication. */
  needsLogin: boolean;
};

/** Returns every operation of the platform's /openapi.json. */
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

/** The names of a path's parameters, in order. */
export const namesIn = (path: string): string[] => [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '');

/** Replaces the parameters of a path like `/api/jobs/{id}` with URL-encoded values. */
export const filled = (path: string, values: Record<string, string>): string =>
  path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? ''));

const byFormat: Record<string, unknown> = {
  uuid: '0198a000-0000-7000-8000-000000000000',
  email: 'person@example.com',
  uri: 'https://shop.example/p/kettle',
  'date-time': '2026-11-24T10:00:00Z',
};
const byPattern = ['17841400000000001', 'EUR', 'lamps.lisbon', 'x'.repeat(43)];

/** A valid value of the schema. @throws where no entry of `byPattern` matches a pattern */
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

/** The fields of a body that take a text or a list of texts. */
export const textFieldsOf = ({ properties = {} }: Schema): string[] =>
  Object.entries(properties).flatMap(([key, field]) =>
    [field, field.items ?? {}].some((one) => typesOf(one).includes('string')) ? [key] : [],
  );

/**
 * Bodies in which `field` is `value` and the rest is valid: once from the document's example, once with the required
 * fields only, since some fields exclude each other.
 */
export function bodiesWith(schema: Schema, field: string, value: unknown): Record<string, unknown>[] {
  const given = typesOf(schema.properties?.[field] ?? {}).includes('array') ? [value] : value;
  const { example: _, ...bare } = schema;
  const bases = [sample(schema), sample({ ...bare, required: schema.required ?? [] })];
  const bodies = bases.map((base) => JSON.stringify({ ...(base as object), [field]: given }));
  return [...new Set(bodies)].map((body) => JSON.parse(body) as Record<string, unknown>);
}
