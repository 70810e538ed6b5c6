/** Fills a JSON Schema with an answer: named values first, then the answer's text, then the smallest valid value. */
import { type Answer, spoken } from './answerer.ts';

type Schema = Readonly<Record<string, unknown>>;
type Values = Readonly<Record<string, unknown>>;
/** Where a value goes, and the values that have names there. Within an object of the answer, those are its own. */
type Place = { name: string; depth: number; values: Values; inRecord: boolean };

/** A recursive schema ends here, above the 10 levels that OpenAI allows: deeper objects are empty. */
const maxDepth = 12;
/** What a schema can make a request cost: values in all (nulls from there), items it can demand of one array, characters. */
const maxValues = 5_000;
const maxItems = 1_000;
const maxPaddingChars = 10_000;

/** Strings that must have a form (the formats of OpenAI's structured outputs). */
const formatted: Record<string, string> = {
  'date-time': '2025-01-01T00:00:00Z',
  date: '2025-01-01',
  time: '00:00:00Z',
  duration: 'P1D',
  email: 'nobody@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
};

/** A value that is valid against `root` (types, enums, bounds, `$ref`, `anyOf`; not `pattern`) and says `answer`. */
export function fillSchema(root: Schema, answer: Answer): unknown {
  let values = 0;
  return fill(root, { name: 'answer', depth: 0, values: answer.values, inRecord: false });

  function fill(given: Schema, place: Place): unknown {
    values += 1;
    if (values > maxValues) return null;
    const schema = resolve(given);
    if ('const' in schema) return schema.const;
    const choices = asSchemas(schema.anyOf ?? schema.oneOf);
    const types = typesOf(schema, choices);
    const named = Object.hasOwn(place.values, place.name) ? place.values[place.name] : undefined;
    if (named === spoken && answer.text === '' && types.includes('null')) return null;
    const filled = named === undefined ? undefined : fillNamed(named, schema, choices, place);
    if (filled !== undefined) return filled;
    const isSilent = place.inRecord || !answer.known || !isSpoken(types) || place.depth > maxDepth;
    if (types.includes('null') && isSilent) return null;
    if (Array.isArray(schema.enum)) return schema.enum.find((value) => value !== null) ?? null;
    if (choices.length > 0) return fill(choices.find((choice) => resolve(choice).type !== 'null') ?? {}, place);
    return fillType(types.find((type) => type !== 'null') ?? guessType(schema), schema, place);
  }

  function fillType(type: string, schema: Schema, place: Place): unknown {
    if (type === 'object') return fillObject(schema, place);
    if (type === 'array') {
      const items = asSchema(schema.items);
      return Array.from({ length: Math.min(numberOr(schema.minItems, 0), maxItems) }, () =>
        fill(items, { ...place, depth: place.depth + 1 }),
      );
    }
    if (type === 'boolean') return answer.known;
    if (type === 'number' || type === 'integer') return smallestNumber(schema, type === 'integer');
    if (type === 'null') return null;
    return fillString(schema, !place.inRecord && (answer.known || place.name === 'answer') ? answer.text : '');
  }

  /** What is given for a name, brought into the schema's form; undefined where it can't be. */
  function fillNamed(named: unknown, schema: Schema, choices: Schema[], place: Place): unknown {
    const kind = kindOf(named);
    const choice = choices.find((candidate) => typesOf(resolve(candidate), []).includes(kind));
    if (choice) return fillNamed(named, resolve(choice), [], place);
    const types = typesOf(schema, []);
    if (named === spoken) return types.includes('string') ? fillString(schema, answer.text) : undefined;
    const record = asRecord(named);
    if (record)
      return types.includes('object') ? fillObject(schema, { ...place, values: record, inRecord: true }) : undefined;
    if (Array.isArray(named) && types.includes('array')) return fillList(named, schema, place);
    if (!fits(named, schema, types)) return undefined;
    return typeof named === 'string' && schema.enum === undefined ? fillString(schema, named) : named;
  }

  /** Records item by item, and no more of them than the schema takes. */
  function fillList(list: unknown[], schema: Schema, place: Place): unknown[] | undefined {
    const isRecords = list.length > 0 && list.every((item) => asRecord(item) !== undefined);
    if (!isRecords) return fits(list, schema, ['array']) ? list : undefined;
    const { name, depth } = place;
    return list
      .slice(0, numberOr(schema.maxItems, list.length))
      .map((item) =>
        fill(asSchema(schema.items), { name, depth: depth + 1, values: { [name]: item }, inRecord: true }),
      );
  }

  function fillObject(schema: Schema, place: Place): Record<string, unknown> {
    if (place.depth > maxDepth) return {};
    const properties = Object.entries(asSchema(schema.properties));
    return Object.fromEntries(
      properties.map(([name, property]) => [
        name,
        fill(asSchema(property), { ...place, name, depth: place.depth + 1 }),
      ]),
    );
  }

  /** Follows `#/$defs/Name` and `#`, the references that structured outputs know. */
  function resolve(schema: Schema, hops = 0): Schema {
    if (typeof schema.$ref !== 'string' || hops > maxDepth) return schema;
    const steps = schema.$ref.replace(/^#\/?/, '').split('/').filter(Boolean);
    return resolve(
      steps.reduce<Schema>((inner, step) => asSchema(inner[step]), root),
      hops + 1,
    );
  }

  function typesOf(schema: Schema, choices: Schema[]): string[] {
    if (choices.length > 0) return choices.flatMap((choice) => typesOf(resolve(choice), []));
    return [schema.type ?? []].flat().map(String);
  }
}

const asSchema = (value: unknown): Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};

const asSchemas = (value: unknown): Schema[] => (Array.isArray(value) ? value.map(asSchema) : []);

const numberOr = (value: unknown, fallback: number): number => (typeof value === 'number' ? value : fallback);

/** Whether the answer's text or its being known can be said in one of these types. */
const isSpoken = (types: string[]): boolean => ['string', 'boolean', 'object'].some((type) => types.includes(type));

function guessType(schema: Schema): string {
  if ('properties' in schema) return 'object';
  return 'items' in schema ? 'array' : 'string';
}

/** The type that a schema must have for a given value. */
const kindOf = (value: unknown): string => {
  if (value === spoken) return 'string';
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
};

/** An object that is neither null nor a list. */
const asRecord = (value: unknown): Values | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;

function fits(value: unknown, schema: Schema, types: string[]): boolean {
  if (Array.isArray(schema.enum) && !schema.enum.includes(value)) return false;
  if (Array.isArray(value)) {
    const itemType = asSchema(schema.items).type;
    const enough = value.length >= numberOr(schema.minItems, 0) && value.length <= numberOr(schema.maxItems, Infinity);
    return types.includes('array') && enough && value.every((item) => isOfType(item, itemType));
  }
  return types.some((type) => isOfType(value, type));
}

function isOfType(value: unknown, type: unknown): boolean {
  if (value === null) return type === 'null';
  if (type === 'integer') return Number.isInteger(value);
  return typeof value === type;
}

/** 0 where the bounds allow it, else the nearest number to it. */
function smallestNumber(schema: Schema, whole: boolean): number {
  const step = numberOr(schema.multipleOf, whole ? 1 : 0);
  const above = numberOr(schema.exclusiveMinimum, Number.NEGATIVE_INFINITY) + (step || 1);
  const below = numberOr(schema.exclusiveMaximum, Number.POSITIVE_INFINITY) - (step || 1);
  const lowest = Math.max(numberOr(schema.minimum, Number.NEGATIVE_INFINITY), above);
  const highest = Math.min(numberOr(schema.maximum, Number.POSITIVE_INFINITY), below);
  if (lowest > 0) return step > 0 ? Math.ceil(lowest / step) * step : lowest;
  if (highest < 0) return step > 0 ? Math.floor(highest / step) * step : highest;
  return 0;
}

function fillString(schema: Schema, text: string): string {
  const form = typeof schema.format === 'string' ? formatted[schema.format] : undefined;
  if (form !== undefined) return form;
  const cut = text.slice(0, numberOr(schema.maxLength, text.length)).toWellFormed();
  return cut.padEnd(Math.min(numberOr(schema.minLength, 0), maxPaddingChars), '.');
}
