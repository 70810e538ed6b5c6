/** What workers have learnt about a model, shared between them and kept over restarts. */
import type { Database } from '../../connect.ts';
import { and, eq, sql } from '../../drizzle.ts';
import { omitColumns, type Selected } from '../../schema/columns.ts';
import { modelTraits } from '../../schema/index.ts';

const traitColumns = omitColumns(modelTraits, ['provider', 'model', 'updatedAt']);
/** The factors are input tokens that the model reports for each token that we estimate: 1 to 8. */
export type ModelTraits = Selected<typeof traitColumns>;

export async function readModelTraits(db: Database, provider: string, model: string): Promise<ModelTraits | undefined> {
  const rows = await db.orm
    .select(traitColumns)
    .from(modelTraits)
    .where(and(eq(modelTraits.provider, provider), eq(modelTraits.model, model)));
  return rows[0];
}

/** Replaces a model's traits. */
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
