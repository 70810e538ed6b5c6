/** What was learnt of a model, kept over restarts and shared by all workers. */
import { and, eq, sql } from 'drizzle-orm';
import type { Database } from '../../connect.ts';
import { omitColumns, type Selected } from '../../schema/columns.ts';
import { modelTraits } from '../../schema/index.ts';

const traitColumns = omitColumns(modelTraits, ['provider', 'model', 'updatedAt']);
/** Factors: tokens that it reports of an input for each one that we count, 1 to 8. */
export type ModelTraits = Selected<typeof traitColumns>;

export async function readModelTraits(db: Database, provider: string, model: string): Promise<ModelTraits | undefined> {
  const rows = await db.orm
    .select(traitColumns)
    .from(modelTraits)
    .where(and(eq(modelTraits.provider, provider), eq(modelTraits.model, model)));
  return rows[0];
}

/** Keeps what a worker has learnt last. */
export async function writeModelTraits(
  db: Database,
  provider: string,
  model: string,
  traits: ModelTraits,
): Promise<void> {
  await db.orm
    .insert(modelTraits)
    .values({ provider, model, ...traits })
    .onConflictDoUpdate({
      target: [modelTraits.provider, modelTraits.model],
      set: { ...traits, updatedAt: sql`now()` },
    });
}

/** Tokens of the last 24 hours that an account's unusable answers used and that were not billed. */
export async function readMalformedTokens(db: Database, accountId: string): Promise<number> {
  const { rows } = await db.pool.query<{ tokens: number }>(
    `select coalesce(sum(total_tokens), 0)::bigint as tokens from ai_usage_log
     where account_id = $1 and outcome = 'malformed' and billed_tokens = 0 and created_at > now() - interval '24 hours'`,
    [accountId],
  );
  return rows[0]?.tokens ?? 0;
}
