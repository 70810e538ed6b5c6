/** Texts from outside: bounded in length, and storable in Postgres. */
import { z } from 'zod';

/**
 * A trimmed text of 1 to `max` characters (UTF-16 units). The limit also applies to its NFKC form, which is used for
 * search and comparison: NFKC can expand one character to eighteen.
 */
export const boundedText = (max: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(max)
    .refine((text) => text.length > max || text.normalize('NFKC').length <= max, {
      message: `Too big: expected string to have <=${max} characters in its NFKC form`,
    });

/** Reads at most `maxBytes` of a response body as text; the rest is not downloaded. */
export async function readBounded(response: Response, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  // Breaking out of the loop cancels the body.
  for await (const part of response.body ?? []) {
    parts.push(part.subarray(0, maxBytes - bytes));
    bytes += part.length;
    if (bytes >= maxBytes) break;
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Removes NUL and lone surrogates, which Postgres can't store. */
export const storable = (text: string): string => text.replaceAll('\0', '').toWellFormed();

/** For `JSON.stringify` and `JSON.parse`: makes every string storable. */
export const storableStrings = (_name: string, value: unknown): unknown =>
  typeof value === 'string' ? storable(value) : value;
