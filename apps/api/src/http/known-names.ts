/** Refuses query parameters and body fields unknown to the route's schemas, which zod would ignore silently. */
import { type RouteConfig, z } from '@hono/zod-openapi';
import type { TallyError } from '@tally/core';
import { distance } from 'fastest-levenshtein';
import type { Context, MiddlewareHandler } from 'hono';
import type { ApiEnv } from '../services.ts';
import { type Fault, inputFaults, maxFaults } from './errors.ts';
import { methodsWithBody } from './json-body.ts';

type RequestSchemas = RouteConfig['request'];
/** An unknown name in the object at `path`, and the known names of that object. */
type UnknownName = { path: string[]; name: string; known: string[] };

const noNames = z.object({});
// Longer names get no suggestion and are shortened in the error.
const maxNameCharacters = 64;

/** Middleware for one route. @throws TallyError `invalid_input` with the unknown names and the nearest known ones */
export function knownNamesOnly(schemas: RequestSchemas): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const error = await findUnknownNames(c, schemas);
    if (error !== undefined) throw error;
    await next();
  };
}

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

/** The body as JSON; without a body schema, only a JSON object counts. */
async function readBody(c: Context<ApiEnv>, schemas: RequestSchemas): Promise<unknown> {
  if (!methodsWithBody.has(c.req.method)) return undefined;
  if (bodySchemaOf(schemas) !== undefined) return c.req.json();
  const text = await c.req.text();
  return text.trimStart().startsWith('{') ? c.req.json().catch(() => undefined) : undefined;
}

/** The names in `value` that `schema` does not declare, in order, including nested ones. */
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
      return fewestUnknown(def.options, value, path);
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

/** A union's unknown names: the fewest over the matching options; if none matches, the fewest non-empty ones. */
function fewestUnknown(options: readonly z.core.$ZodType[], value: object, path: string[]): UnknownName[] {
  const namesIn = (some: readonly z.core.$ZodType[]) =>
    some.map((option) => unknownNames(option, value, path)).sort((a, b) => a.length - b.length);
  const matching = options.filter((option) => z.core.safeParse(option, value).success);
  if (matching.length > 0) return namesIn(matching)[0] ?? [];
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

/** The nearest name within two edits or a third of the name's length, ignoring case and punctuation. */
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
