/** Reading JSON whose shape nobody promises: each look gives a value of the right kind, or none. */
import { storable } from '@tally/core';
import { maxQuestionCharacters } from '@tally/tasks';

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const asObject = (value: unknown): Record<string, unknown> => (isObject(value) ? value : {});

const maxId = 400;

/** Ids exceed 2^53: a number has been rounded already, and would be somebody else's. */
export const asId = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' && value.length <= maxId && /^[\x21-\x7e]+$/.test(value) ? value : null;

/** As much as a task takes, and far above what Meta allows to be written. */
const maxText = maxQuestionCharacters;

/** A text as Postgres can keep it, its code points otherwise unchanged. */
export const asText = (value: unknown): string | null =>
  typeof value === 'string' ? storable(value.slice(0, maxText)) : null;

const firstMs = 1e12;

/** Seconds or milliseconds, also as text, or a date; the moment of receipt for anything else and for the future. */
export function asTime(value: unknown, receivedAt: Date): Date {
  const number =
    typeof value === 'number' ? value : typeof value === 'string' && value !== '' ? Number(value) : Number.NaN;
  const ms = Number.isFinite(number)
    ? number * (number > firstMs ? 1 : 1_000)
    : typeof value === 'string'
      ? Date.parse(value)
      : Number.NaN;
  return ms > 0 && ms < receivedAt.getTime() ? new Date(ms) : receivedAt;
}

const deepest = 16;
const maxBytes = 32 * 1_024;

/** A copy that can be stored, or null where it is deeper or larger than any real event. */
export function boundedPayload(value: unknown): Json | null {
  const copy = copyOf(value, 0);
  return copy === undefined || JSON.stringify(copy).length > maxBytes ? null : copy;
}

/** Undefined where it is too deep. */
function copyOf(value: unknown, depth: number): Json | undefined {
  if (typeof value === 'string') return storable(value);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  if (typeof value !== 'object' || depth >= deepest) return undefined;
  if (Array.isArray(value)) {
    const items = value.map((item) => copyOf(item, depth + 1));
    return items.includes(undefined) ? undefined : (items as Json[]);
  }
  const fields = Object.entries(value).map(([key, item]) => [storable(key), copyOf(item, depth + 1)] as const);
  return fields.some(([, item]) => item === undefined) ? undefined : (Object.fromEntries(fields) as Json);
}
