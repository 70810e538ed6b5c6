/** Refuses query parameters and body fields that a route does not name: ignored, a misspelt one would do nothing. */
import { type RouteConfig, z } from '@hono/zod-openapi';
import type { TallyError } from '@tally/core';
import { distance } from 'fastest-levenshtein';
import type { Context, MiddlewareHandler } from 'hono';
import type { ApiEnv } from '../services.ts';
import { type Fault, inputFaults, maxFaults } from './errors.ts';

type RequestSchemas = RouteConfig['request'];
/** A name that the object at `path` doesn't have, among those that it has. */
type UnknownName = { path: string[]; name: string; known: string[] };

const withBody = new Set(['POST', 'PUT', 'PATCH']);
const noNames = z.object({});
// What is longer is nobody's slip, and is not repeated whole.
const maxNameCharacters = 64;

/** Lets requests pass that name what the route's schemas know. */
export function knownNamesOnly(schemas: RequestSchemas): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const error = await findUnknownNames(c, schemas);
    if (error !== undefined) throw error;
    await next();
  };
}

/** The `invalid_input` that says which names are unknown, and the nearest known ones; undefined where there are none. */
async function findUnknownNames(c: Context<ApiEnv>, schemas: RequestSchemas): Promise<TallyError | undefined> {
  const query = unknownNames(schemas?.query ?? noNames, readQuery(c.req.url));
  const body = unknownNames(bodySchemaOf(schemas) ?? noNames, await readBody(c, schemas));
  const faults = [
    ...query.slice(0, maxFaults).map(toFault('query parameter')),
    ...body.slice(0, maxFaults).map(toFault('field')),
  ];
  return faults[0] && inputFaults(faults, faults[0].message);
}

function readQuery(url: string): Record<string, string> {
  const start = url.indexOf('?');
  return start === -1 ? {} : Object.fromEntries(new URLSearchParams(url.slice(start)));
}

function bodySchemaOf(schemas: RequestSchemas): z.ZodType | undefined {
  const content = schemas?.body?.content['application/json'];
  return content !== undefined && 'schema' in content && content.schema instanceof z.ZodType
    ? content.schema
    : undefined;
}

/** What was sent, as JSON; a route without a body takes anything for none that isn't a JSON object. */
async function readBody(c: Context<ApiEnv>, schemas: RequestSchemas): Promise<unknown> {
  if (!withBody.has(c.req.method)) return undefined;
  if (bodySchemaOf(schemas) !== undefined) return c.req.json();
  const text = await c.req.text();
  return text.trimStart().startsWith('{') ? c.req.json().catch(() => undefined) : undefined;
}

/** The names in `value` that `schema` doesn't know, nested ones too, in their order. */
function unknownNames(schema: z.core.$ZodType, value: unknown, path: string[] = []): UnknownName[] {
  if (typeof value !== 'object' || value === null) return [];
  const { def } = (schema as z.core.$ZodTypes)._zod;
  const inside = (inner: z.core.$ZodType, name: string, item: unknown) => unknownNames(inner, item, [...path, name]);
  switch (def.type) {
    case 'object': {
      const known = Object.keys(def.shape);
      return Object.entries(value).flatMap(([name, item]) => {
        const field = Object.hasOwn(def.shape, name) ? def.shape[name] : def.catchall;
        const isKnown = field !== undefined && field._zod.def.type !== 'never';
        return isKnown ? inside(field, name, item) : [{ path, name, known }];
      });
    }
    case 'record':
      return Object.entries(value).flatMap(([name, item]) => inside(def.valueType, name, item));
    case 'array':
      return Object.entries(value).flatMap(([name, item]) => inside(def.element, name, item));
    case 'union':
      return leastUnknown(def.options, value, path);
    case 'pipe':
      return unknownNames(def.in, value, path);
    case 'optional':
    case 'nullable':
    case 'default':
    case 'readonly':
      return unknownNames(def.innerType, value, path);
    default:
      return [];
  }
}

/** Of the options that take the value the one that knows most of it; where none does, the one that was nearly meant. */
function leastUnknown(options: readonly z.core.$ZodType[], value: object, path: string[]): UnknownName[] {
  const namesIn = (some: readonly z.core.$ZodType[]) =>
    some.map((option) => unknownNames(option, value, path)).sort((a, b) => a.length - b.length);
  const fitting = options.filter((option) => z.core.safeParse(option, value).success);
  if (fitting.length > 0) return namesIn(fitting)[0] ?? [];
  return namesIn(options).find((names) => names.length > 0) ?? [];
}

const toFault =
  (kind: string) =>
  ({ path, name, known }: UnknownName): Fault => {
    const nearest = nearestOf(known, name);
    const others = known.length === 0 ? '' : `; there is ${known.map((one) => `\`${one}\``).join(', ')}`;
    const hint = nearest === undefined ? others : `, did you mean \`${nearest}\`?`;
    return { path: [...path, name].map(shortened).join('.'), message: `unknown ${kind} \`${shortened(name)}\`${hint}` };
  };

/** The name that was probably meant, however it was written: two letters off, or a third of a long one. */
function nearestOf(known: string[], name: string): string | undefined {
  if (name.length > maxNameCharacters) return undefined;
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  const [nearest] = known
    .map((one) => ({ one, edits: distance(plain(one), plain(name)) }))
    .sort((a, b) => a.edits - b.edits);
  return nearest !== undefined && nearest.edits <= Math.max(2, name.length / 3) ? nearest.one : undefined;
}

const shortened = (name: string): string =>
  name.length > maxNameCharacters ? `${name.slice(0, maxNameCharacters).toWellFormed()}…` : name;
