/** Connections to Postgres: a pool for short hot statements, another for everything else, and one that holds locks. */
import type { Logger } from '@tally/core';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import * as schema from './schema.ts';

/** Everything that queries need. Made by {@link connectDatabase}, closed by its owner. */
export type Database = {
  /** Hot statements: grouped, named, with plans pinned to index look-ups. */
  hot: pg.Pool;
  /** Everything else. */
  pool: pg.Pool;
  /** One connection, kept: advisory locks of its session. What waits for other connections must not sit on any of theirs. */
  locks: pg.Pool;
  orm: NodePgDatabase<typeof schema>;
  close(): Promise<void>;
};

// A plan made while a table was empty would scan it for ever after; index nested loops are right for every hot
// statement at every size, so the planner is told once per connection and each plan is made once.
const hotSettings = [
  'plan_cache_mode=force_generic_plan',
  'enable_seqscan=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  'enable_bitmapscan=off',
  'jit=off',
  'statement_timeout=15000',
  // Statements are grouped: one row that somebody holds on to must not hold up the others for longer.
  'lock_timeout=3000',
  'idle_in_transaction_session_timeout=15000',
];
const ordinarySettings = [
  'jit=off',
  'client_min_messages=warning',
  'statement_timeout=60000',
  'idle_in_transaction_session_timeout=60000',
];

const int8 = 20;
const numeric = 1700;
const types = {
  // Tokens are integers far below 2^53; a string here would end up being concatenated somewhere.
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === int8 || oid === numeric
      ? Number
      : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};

/** Connects lazily: a database that is down shows at the first query, as an error that {@link isOutage} knows. */
export function connectDatabase(options: { url: string; name: string; log: Logger; connections?: number }): Database {
  const open = (settings: string[], max: number, more: pg.PoolConfig = {}) => {
    const pool = new pg.Pool({
      connectionString: options.url,
      application_name: `tally-${options.name}`,
      options: settings.map((setting) => `-c ${setting}`).join(' '),
      max,
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
      types,
      ...more,
    });
    // A connection that breaks fails its query, or is replaced at the next one; unheard, its event ends the process.
    const note = (err: Error) => options.log.warn({ err }, 'a database connection broke');
    pool.on('error', () => undefined);
    pool.on('connect', (client) => client.on('error', note));
    return pool;
  };
  const max = options.connections ?? 8;
  const hot = open(hotSettings, max);
  const pool = open(ordinarySettings, max);
  const locks = open(ordinarySettings, 1, { idleTimeoutMillis: 0 });
  return {
    hot,
    pool,
    locks,
    orm: drizzle(pool, { schema }),
    close: async () => {
      await Promise.all([hot.end(), pool.end(), locks.end()]);
    },
  };
}

const outageCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
]);
// 08 connection, 53 resources, 57P01-57P03 shut down or starting up, 25P03 asleep in a transaction, 25006 read only after
// a failover.
const outageStates = /^(08|53|57P0[123]|25P03|25006)/;
const outageMessages =
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Query read timeout/;

/** Whether an error means that Postgres can't be reached or lost the connection: the outcome of a write is unknown. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && (outageCodes.has(code) || outageStates.test(code))) return true;
  return outageMessages.test(error.message) || (error.cause !== undefined && isOutage(error.cause));
}

// Serialization failure, deadlock, lock not available, and a statement cancelled because it waited too long.
const collisionStates = new Set(['40001', '40P01', '55P03', '57014']);

/** Whether Postgres rolled a statement back only because it met another one: it may be run again at once. */
export function isCollision(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && collisionStates.has(code);
}

/** Whether a write was refused because its row is there already. */
export function isDuplicate(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === '23505';
}

/** A connection inside a transaction. */
export type Transaction = pg.PoolClient;

/** Runs `work` in one transaction on the ordinary pool; rolls back and rethrows where it throws. */
export async function inTransaction<T>(db: Database, work: (client: Transaction) => Promise<T>): Promise<T> {
  const client = await db.pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

const meetingsTolerated = 5;

/**
 * {@link inTransaction}, again where it met another one that locked the same things or wrote the same row at the same
 * time. `work` must find such a row at its next look. @throws what it throws otherwise, or after five meetings
 */
export async function inRepeatedTransaction<T>(db: Database, work: (client: Transaction) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await inTransaction(db, work);
    } catch (error) {
      if (!(isCollision(error) || isDuplicate(error)) || tries >= meetingsTolerated) throw error;
    }
  }
}
