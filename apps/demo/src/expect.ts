/** Holding what happened against what was told. */
import { isDeepStrictEqual } from 'node:util';

/** A story that can't be told on; its message is all that a reader needs. */
export class Untold extends Error {}

/** @throws Untold with both values, named after what they are */
export function expectEqual(what: string, actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) throw differs(what, actual, expected);
}

/** @throws Untold saying what was expected, and of what it isn't true */
export function expectThat(what: string, isTrue: boolean, actual: unknown): void {
  if (!isTrue) throw new Untold(`Expected: ${what}\nActual:   ${written(actual)}`);
}

export const differs = (what: string, actual: unknown, expected: unknown): Untold =>
  new Untold(`${what}\nExpected: ${written(expected)}\nActual:   ${written(actual)}`);

const written = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing'));
