/** Column types that several tables share. */
import { bigint, customType, numeric, timestamp } from '../drizzle.ts';

export const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });
export const timestamptz = <Name extends string>(name: Name) => timestamp(name, { withTimezone: true });
/** Tokens and bytes: integers far below 2^53. SQL outside Drizzle reads them as numbers, too (connect.ts). */
export const int8 = <Name extends string>(name: Name) => bigint(name, { mode: 'number' });
export const money = <Name extends string>(name: Name) => numeric(name, { mode: 'number' });
