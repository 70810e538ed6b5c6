/** An account's knowledge: texts that answers are drawn from. */
import { newId } from '@tally/core';
import { and, desc, eq, lt } from 'drizzle-orm';
import { type Database, inTransaction } from '../connect.ts';
import { knowledge } from '../schema.ts';
import { indexPassages } from './passages.ts';

export type KnowledgeEntry = Omit<typeof knowledge.$inferSelect, 'accountId'>;

/** Stores a text and its searchable passages. */
export async function insertKnowledge(
  db: Database,
  input: { accountId: string; title: string; text: string },
): Promise<KnowledgeEntry> {
  const id = newId();
  return inTransaction(db, async (client) => {
    const { rows } = await client.query<{ created_at: Date }>(
      'insert into knowledge (id, account_id, title, text) values ($1, $2, $3, $4) returning created_at',
      [id, input.accountId, input.title, input.text],
    );
    await indexPassages(client, [{ kind: 'knowledge', id, ...input }]);
    return { id, title: input.title, text: input.text, createdAt: rows[0]?.created_at ?? new Date() };
  });
}

export async function listKnowledge(
  db: Database,
  input: { accountId: string; limit: number; beforeId?: string | undefined },
): Promise<KnowledgeEntry[]> {
  return db.orm
    .select({ id: knowledge.id, title: knowledge.title, text: knowledge.text, createdAt: knowledge.createdAt })
    .from(knowledge)
    .where(
      and(
        eq(knowledge.accountId, input.accountId),
        input.beforeId === undefined ? undefined : lt(knowledge.id, input.beforeId),
      ),
    )
    .orderBy(desc(knowledge.id))
    .limit(input.limit);
}

/** False where the account has no such entry. */
export async function deleteKnowledge(db: Database, accountId: string, id: string): Promise<boolean> {
  const rows = await db.orm
    .delete(knowledge)
    .where(and(eq(knowledge.accountId, accountId), eq(knowledge.id, id)))
    .returning({ id: knowledge.id });
  return rows.length > 0;
}
