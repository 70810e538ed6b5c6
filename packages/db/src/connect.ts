/** Connections to Postgres: a pool for hot statements, one for everything else, and a connection for advisory locks. */
import { isUnreachable, type Logger } from '@tally/core';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { DrizzleQueryError, drizzle } from './drizzle.ts';

/** Everything that queries need. Made by {@link connectDatabase}, closed by its owner. */
export type Database = {
  /** Hot statements: grouped, named, with plans pinned to index look-ups. */
  hot: pg.Pool;
  /** Everything else. */
  pool: pg.Pool;
  /** One permanent connection for session-level advisory locks, whose holders need the other pools' connections. */
  locks: pg.Pool;
  /** Drizzle over the ordinary pool. */
  orm: NodePgDatabase;
  close(): Promise<void>;
};

// A plan made while a table was empty would scan it for ever. Nested loops over indexes suit every hot statement at
// every size, so each connection allows nothing else and each plan is made once.
const hotSettings = [
  'plan_cache_mode=force_generic_plan',
  'enable_seqscan=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  'enable_bitmapscan=off',
  'jit=off',
  'statement_timeout=15000',
  // Statements are grouped: one locked row must not delay all the others for longer.
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
  // Tokens are integers far below 2^53; as strings they would be concatenated somewhere.
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === int8 || oid === numeric
      ? Number
      : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};

/** Connects lazily: while the database is down, queries fail with an error that {@link isUnavailable} recognises. */
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
    // A broken connection fails its query or is replaced; without listeners its event would end the process.
    const warn = (err: Error) => options.log.warn({ err }, 'a database connection broke');
    pool.on('error', () => undefined);
    pool.on('connect', (client) => client.on('error', warn));
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
    orm: drizzle(pool),
    close: async () => {
      await Promise.all([hot.end(), pool.end(), locks.end()]);
    },
  };
}

// SQLSTATE classes of faults in a statement or its values, which fail again when repeated: data, integrity, misuse of
// cursors, transactions and routines, syntax and names, complexity, raised by our own functions.
const statementFaults = /^(?:2[01234]|25P0[12]|27|2[BDF]|34|38|39|3B|40002|42|44|54|P0)/;
// In one of these classes, but the operator's to repair: insufficient privilege.
const storeFaults = new Set(['42501']);
// Serialization failure, deadlock, lock not available, and query cancelled after its timeout.
const conflictStates = new Set(['40001', '40P01', '55P03', '57014']);
const clientMessages =
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|Query read timeout|does not support SSL/;

/**
 * Whether an error is an outage rather than a fault of the statement: Postgres is unreachable, lost the connection, or
 * refused for a reason that is not known to be the statement's. The outcome of a write is unknown.
 */
export function isUnavailable(error: unknown): boolean {
  const origin = originOf(error);
  if (!(origin instanceof Error)) return false;
  if (!(origin instanceof pg.DatabaseError)) return isUnreachable(origin) || clientMessages.test(origin.message);
  const { code = '', severity = '' } = origin;
  if (conflictStates.has(code)) return false;
  // FATAL and PANIC end the connection, or prevent it.
  return /^(?:FATAL|PANIC)/.test(severity) || !statementFaults.test(code) || storeFaults.has(code);
}

/** Whether Postgres rolled a statement back because of a concurrent one: it may be repeated at once. */
export function isSerializationConflict(error: unknown): boolean {
  const { code } = (originOf(error) ?? {}) as { code?: unknown };
  return typeof code === 'string' && conflictStates.has(code);
}

/** The driver's error inside Drizzle's. */
function originOf(error: unknown): unknown {
  return error instanceof DrizzleQueryError ? error.cause : error;
}

/** Whether a write was refused because its row exists already. */
export function isUniqueViolation(error: unknown): boolean {
  return (originOf(error) as { code?: unknown } | null)?.code === '23505';
}

/** A connection inside a transaction, for SQL and for Drizzle. */
export type Transaction = pg.PoolClient & Pick<Database, 'orm'>;

/** Runs `work` in one transaction on the ordinary pool; rolls back and rethrows where it throws. */
export async function inTransaction<T>(db: Database, work: (client: Transaction) => Promise<T>): Promise<T> {
  const client = await db.pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('begin');
    const result = await work(Object.assign(client, { orm: drizzle(client) }));
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

const maxTries = 5;

/**
 * {@link inTransaction}, repeated after a serialization conflict or a unique violation, up to five times. `work` must
 * find the row that a concurrent transaction has inserted.
 */
export async function inRepeatedTransaction<T>(db: Database, work: (client: Transaction) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await inTransaction(db, work);
    } catch (error) {
      if (!(isSerializationConflict(error) || isUniqueViolation(error)) || tries >= maxTries) throw error;
    }
  }
}

/**
 * Runs `work` under an advisory lock of this name; false at once where another process holds it. A process must not ask
 * for a lock that it holds. The lock ends with its session, so a killed process never keeps it.
 */
export async function withAdvisoryLock(db: Database, name: string, work: () => Promise<void>): Promise<boolean> {
  const { rows } = await db.locks.query<{ locked: boolean }>(
    `select pg_try_advisory_lock(hashtextextended('tally:' || $1, 0)) as locked`,
    [name],
  );
  if (rows[0]?.locked !== true) return false;
  try {
    await work();
  } finally {
    // A broken connection has released the lock.
    await db.locks
      .query(`select pg_advisory_unlock(hashtextextended('tally:' || $1, 0))`, [name])
      .catch(() => undefined);
  }
  return true;
}
