/** Reading JSON whose shape nobody promises: each look gives a value of the right kind, or none. */

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const asObject = (value: unknown): Record<string, unknown> => (isObject(value) ? value : {});

const longestId = 400;

/** Ids exceed 2^53: a number has been rounded already, and would be somebody else's. */
export const asId = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' && value.length <= longestId && /^[\x21-\x7e]+$/.test(value) ? value : null;

/** A text as Postgres can keep it, its code points otherwise unchanged. */
export const asText = (value: unknown): string | null => (typeof value === 'string' ? storable(value) : null);

const storable = (text: string): string => text.replaceAll('\0', '').toWellFormed();

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
const mostBytes = 32 * 1_024;

/** A copy that can be stored, or null where it is deeper or larger than any real event. */
export function boundedPayload(value: unknown): Json | null {
  if (!isShallow(value, 0)) return null;
  const json = JSON.stringify(value, (_key, item: unknown) => (typeof item === 'string' ? storable(item) : item));
  return json === undefined || json.length > mostBytes ? null : (JSON.parse(json) as Json);
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth < deepest && Object.values(value).every((item) => isShallow(item, depth + 1));
}
