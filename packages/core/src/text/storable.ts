/** Makes text storable in Postgres: without NUL and without lone surrogates. */

export const storable = (text: string): string => text.replaceAll('\0', '').toWellFormed();

/** For `JSON.stringify` and `JSON.parse`: makes every string storable. */
export const storableStrings = (_name: string, value: unknown): unknown =>
  typeof value === 'string' ? storable(value) : value;
