/**
 * Drizzle in its CommonJS build. Node 24 parses a package's `exports` anew for each of the package's ES modules, and
 * Drizzle has 447 of them: its ES build makes every process start half a second later.
 */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const orm = require('drizzle-orm') as typeof import('drizzle-orm');
const pg = require('drizzle-orm/pg-core') as typeof import('drizzle-orm/pg-core');
export const { drizzle } = require('drizzle-orm/node-postgres') as typeof import('drizzle-orm/node-postgres');
export const { DrizzleQueryError, SQL, getTableColumns, getTableName, is, sql } = orm;
export const { and, asc, desc, eq, gt, inArray, isNotNull, isNull, lt, lte, max, ne, not, notInArray } = orm;
export const { PgDialect, PgTable, customType, getTableConfig, pgTable } = pg;
export const { bigint, boolean, integer, jsonb, numeric, real, text, timestamp, uuid } = pg;
