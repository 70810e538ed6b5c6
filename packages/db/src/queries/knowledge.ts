/** An account's knowledge, and the passages of it that answer a question best. */
import { newId } from '@tally/core';
import { and, desc, eq, lt } from 'drizzle-orm';
import { type Database, inTransaction } from '../connect.ts';
import { knowledge } from '../schema.ts';
import { cutPassages, toDocumentTerms, toQuery } from '../search-terms.ts';

export type KnowledgeEntry = Omit<typeof knowledge.$inferSelect, 'accountId'>;

/** Stores a text and its searchable passages. */
export async function insertKnowledge(
  db: Database,
  input: { accountId: string; title: string; text: string },
): Promise<KnowledgeEntry> {
  const id = newId();
  const passages = cutPassages(input.text).map((text) => ({ text, ...toDocumentTerms(`${input.title} ${text}`) }));
  return inTransaction(db, async (client) => {
    const { rows } = await client.query<{ created_at: Date }>(
      'insert into knowledge (id, account_id, title, text) values ($1, $2, $3, $4) returning created_at',
      [id, input.accountId, input.title, input.text],
    );
    await client.query(
      `insert into knowledge_passages (knowledge_id, account_id, position, title, text, search)
       select $1, $2, position, $3, text, to_tsvector('english', stemmed) || to_tsvector('simple', plain)
       from unnest($4::text[], $5::text[], $6::text[]) with ordinality as u (text, stemmed, plain, position)`,
      [
        id,
        input.accountId,
        input.title,
        passages.map((p) => p.text),
        passages.map((p) => p.stemmed),
        passages.map((p) => p.plain),
      ],
    );
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

export type Passage = { knowledgeId: string; title: string; text: string };

/** The account's passages that fit the question best, best first; none where no word of it occurs. */
export async function searchKnowledge(
  db: Database,
  input: { accountId: string; question: string; limit: number },
): Promise<Passage[]> {
  const query = toQuery(input.question);
  if (query.stemmed === '' && query.plain === '') return [];
  const { rows } = await db.pool.query<Passage>({
    name: 'search_knowledge',
    // A wanted word counts more often in a short passage, and every further wanted word counts (flags 1 and 4).
    text: `
      with query as (select to_tsquery('english', $2) || to_tsquery('simple', $3) as q)
      select p.knowledge_id as "knowledgeId", p.title, p.text
      from query, knowledge_passages p
      where p.account_id = $1 and p.search @@ query.q
      order by ts_rank(p.search, query.q, 1) desc, p.knowledge_id, p.position limit $4`,
    values: [input.accountId, query.stemmed, query.plain, input.limit],
  });
  return rows;
}
