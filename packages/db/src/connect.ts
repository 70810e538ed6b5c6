/** Connections to Postgres: a pool for short hot statements, another for everything else, and one that holds locks. */
import { isUnreachable, type Logger } from '@tally/core';
import { DrizzleQueryError } from 'drizzle-orm';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import pg from 'pg';

/** Everything that queries need. Made by {@link connectDatabase}, closed by its owner. */
export type Database = {
  /** Hot statements: grouped, named, with plans pinned to index look-ups. */
  hot: pg.Pool;
  /** Everything else. */
  pool: pg.Pool;
  /** One connection, kept: advisory locks of its session. What waits for other connections must not sit on any of theirs. */
  locks: pg.Pool;
  /** Drizzle over the ordinary pool. */
  orm: NodePgDatabase;
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

/** Connects lazily: a database that is down shows at the first query, as an error that {@link isUnavailable} knows. */
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
    orm: drizzle(pool),
    close: async () => {
      await Promise.all([hot.end(), pool.end(), locks.end()]);
    },
  };
}

// What a statement of ours, or the values in it, did wrong, and would do wrong again: no data, data, integrity, wrong use of
// cursors, transactions and routines, syntax and names, too complex, raised by our own functions.
const statementFaults = /^(?:2[01234]|25P0[12]|27|2[BDF]|34|38|39|3B|40002|42|44|54|P0)/;
// In the same classes, and mended by the operator: a permission that was taken away.
const storeFaults = new Set(['42501']);
// Serialization failure, deadlock, lock not available, and a statement cancelled because it waited too long.
const conflictStates = new Set(['40001', '40P01', '55P03', '57014']);
const clientMessages =
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|Query read timeout|does not support SSL/;

/**
 * Whether an error is Postgres' trouble rather than the fault of what was asked of it: it can't be reached, lost the
 * connection, or refuses for a reason that is not known to be the statement's own. The outcome of a write is unknown.
 */
export function isUnavailable(error: unknown): boolean {
  const origin = originOf(error);
  if (!(origin instanceof Error)) return false;
  if (!(origin instanceof pg.DatabaseError)) return isUnreachable(origin) || clientMessages.test(origin.message);
  const { code = '', severity = '' } = origin;
  if (conflictStates.has(code)) return false;
  // A refusal that ends the connection, or lets none be made, is about more than one statement.
  return /^(?:FATAL|PANIC)/.test(severity) || !statementFaults.test(code) || storeFaults.has(code);
}

/** Whether Postgres rolled a statement back only because it met another one: it may be run again at once. */
export function isSerializationConflict(error: unknown): boolean {
  const { code } = (originOf(error) ?? {}) as { code?: unknown };
  return typeof code === 'string' && conflictStates.has(code);
}

/** What the driver threw, without what Drizzle wraps around it. */
function originOf(error: unknown): unknown {
  return error instanceof DrizzleQueryError ? error.cause : error;
}

/** Whether a write was refused because its row is there already. */
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
      if (!(isSerializationConflict(error) || isUniqueViolation(error)) || tries >= meetingsTolerated) throw error;
    }
  }
}
