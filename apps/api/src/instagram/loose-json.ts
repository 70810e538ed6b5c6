/** Reads JSON of unknown shape: each reader returns a value of the expected type, or a default. */
import { storable } from '@tally/core';
import { maxQuestionCharacters } from '@tally/tasks';

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const asObject = (value: unknown): Record<string, unknown> => (isObject(value) ? value : {});

const maxId = 400;

/** Strings only: ids exceed 2^53, so a JSON number was rounded in parsing and could be another account's id. */
export const asId = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' && value.length <= maxId && /^[\x21-\x7e]+$/.test(value) ? value : null;

/** The longest text that a task takes, far above what Meta allows. */
const maxText = maxQuestionCharacters;

/** A text that Postgres can store, with its code points otherwise unchanged. */
export const asText = (value: unknown): string | null =>
  typeof value === 'string' ? storable(value.slice(0, maxText)) : null;

const minMilliseconds = 1e12;

/** Epoch seconds or milliseconds (also as text) or a date; for anything else or a future time, the time of receipt. */
export function asTime(value: unknown, receivedAt: Date): Date {
  const number =
    typeof value === 'number' ? value : typeof value === 'string' && value !== '' ? Number(value) : Number.NaN;
  const ms = Number.isFinite(number)
    ? number * (number > minMilliseconds ? 1 : 1_000)
    : typeof value === 'string'
      ? Date.parse(value)
      : Number.NaN;
  return ms > 0 && ms < receivedAt.getTime() ? new Date(ms) : receivedAt;
}

const maxDepth = 16;
const maxBytes = 32 * 1_024;

/** A storable copy, or null where it is deeper or larger than any real event. */
export function boundedPayload(value: unknown): Json | null {
  const copy = copyOf(value, 0);
  return copy === undefined || JSON.stringify(copy).length > maxBytes ? null : copy;
}

/** Undefined where it is too deep. */
function copyOf(value: unknown, depth: number): Json | undefined {
  if (typeof value === 'string') return storable(value);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  if (typeof value !== 'object' || depth >= maxDepth) return undefined;
  if (Array.isArray(value)) {
    const items = value.map((item) => copyOf(item, depth + 1));
    return items.includes(undefined) ? undefined : (items as Json[]);
  }
  const fields = Object.entries(value).map(([key, item]) => [storable(key), copyOf(item, depth + 1)] as const);
  return fields.some(([, item]) => item === undefined) ? undefined : (Object.fromEntries(fields) as Json);
}
