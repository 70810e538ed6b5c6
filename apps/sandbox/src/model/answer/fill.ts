/** Fills a JSON Schema from a material: each field by its name and type, else with the smallest value of its type. */
import type { Material } from './material.ts';
import type { Amount } from './money.ts';
import { proseOf, readPairs, readThings, type Thing } from './things.ts';
import { inStock, outOfStock } from './topics.ts';

type Schema = Readonly<Record<string, unknown>>;

/** What a schema is filled with. */
export type Filling = Material & {
  /** The answer in words, for strings that nothing else is known for. */
  said: string;
  /** Whether the material holds the answer, for booleans. */
  known: boolean;
  /** The numbers of the passages that the answer is from. */
  sources: number[];
  /** Goes behind the first text that can be of any length. */
  padding: string;
};

const usualPairs = 5;

/** A value that fits `root`: types, enums, null, and the bounds of numbers and maximal lengths; not `$ref` or `pattern`. */
export function fillSchema(root: Schema, filling: Filling): unknown {
  let { padding } = filling;
  const { text, question, said, known, sources } = filling;

  /** `thing` is what an object within a list is about. */
  function fill(given: unknown, name: string, thing?: Thing): unknown {
    const whole = toSchema(given);
    const choices = [whole.anyOf ?? whole.oneOf ?? whole].flat().map(toSchema);
    const schema = choices.find(({ type }) => type !== 'null') ?? {};
    const types = choices.flatMap(({ type }) => type ?? []);
    const type = types.find((one) => one !== 'null');
    if ('const' in schema) return schema.const;
    if (Array.isArray(schema.enum)) return enumValue(schema.enum, thing);
    if (type === 'boolean') return known;
    if (type === 'array') return fillList(schema, name);
    if (type === 'number' || type === 'integer') {
      const least = Math.min(Math.max(0, numberOr(schema.minimum, 0)), numberOr(schema.maximum, Infinity));
      return amountFor(name, thing)?.value ?? (types.includes('null') ? null : least);
    }
    if (type === 'object' || 'properties' in schema) {
      const properties = Object.entries(toSchema(schema.properties));
      return Object.fromEntries(properties.map(([key, property]) => [key, fill(property, key, thing)]));
    }
    const found = textFor(name, thing)?.slice(0, numberOr(schema.maxLength, Infinity)).toWellFormed();
    return found ?? (types.includes('null') ? null : '');
  }

  function fillList(schema: Schema, name: string): unknown[] {
    const items = toSchema(schema.items);
    const fields = toSchema(items.properties);
    const most = numberOr(schema.maxItems, Infinity);
    if ('question' in fields && 'answer' in fields) {
      const wanted = Number(/\d+/.exec(question)?.[0] ?? usualPairs);
      return readPairs(text, Math.min(wanted, most)).map((pair) => ({ ...pair, answer: prose(pair.answer) }));
    }
    const things = items.type === 'object' ? readThings(text).slice(0, most) : [];
    return items.type === 'integer' ? sources.slice(0, most) : things.map((thing) => fill(items, name, thing));
  }

  function textFor(name: string, thing?: Thing): string | undefined {
    if (/prompt|instruction/i.test(name)) return prose(toPrompt(text));
    if (thing === undefined) return said + padding === '' ? undefined : prose(said);
    if (/name|title/i.test(name)) return thing.name;
    if (/price/i.test(name)) return amountFor(name, thing)?.text;
    if (/currency/i.test(name)) return thing.price?.currency ?? undefined;
    if (/description|summary/i.test(name)) return prose(proseOf(thing)) || undefined;
    const labelled = thing.lines.find((line) => line.toLowerCase().startsWith(`${name}:`));
    return labelled?.slice(name.length + 1).trim();
  }

  function prose(whole: string): string {
    const padded = whole + padding;
    padding = '';
    return padded;
  }

  return fill(root, 'answer');
}

const toPrompt = (material: string): string =>
  `You are a helpful assistant. Follow these instructions:

${material}

State facts only as they are given to you. Where you do not know, say so and offer to ask a colleague.`;

const amountFor = (name: string, thing?: Thing): Amount | undefined =>
  /price/i.test(name) ? (/max/i.test(name) ? thing?.highest : thing?.price) : undefined;

/** The value that the lines about a thing speak of, else the first. */
function enumValue(values: unknown[], thing?: Thing): unknown {
  const text = thing?.lines.join('\n') ?? '';
  const meant = outOfStock.test(text) ? 'out_of_stock' : inStock.test(text) ? 'in_stock' : 'unknown';
  return values.includes(meant) ? meant : values[0];
}

const toSchema = (value: unknown): Schema => (typeof value === 'object' ? { ...value } : {});

const numberOr = (value: unknown, fallback: number): number => (typeof value === 'number' ? value : fallback);
