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

export type KnowledgeQuery = { accountId: string; question: string; limit: number };

/** For each query, in order, its account's passages that fit best, best first; none where no word of it occurs. */
export async function searchKnowledge(db: Database, queries: KnowledgeQuery[]): Promise<Passage[][]> {
  const terms = queries.map(({ question }) => toQuery(question));
  const { rows } = await db.pool.query<Passage & { queryPosition: number }>({
    // Unnamed: planned each time, for the right plan changes as the table grows. A word that is found counts the more
    // the shorter its passage is (ts_rank's flag 1).
    text: `
      with wanted as materialized (
        select account_id, most, position, to_tsquery('english', stemmed) || to_tsquery('simple', plain) as query
        from unnest($1::uuid[], $2::text[], $3::text[], $4::integer[]) with ordinality
          as u (account_id, stemmed, plain, most, position)
      )
      select w.position::integer as "queryPosition", f."knowledgeId", f.title, f.text
      from wanted w cross join lateral (
        select p.knowledge_id as "knowledgeId", p.title, p.text, p.position, ts_rank(p.search, w.query, 1) as rank
        from knowledge_passages p where p.account_id = w.account_id and p.search @@ w.query
        order by rank desc, p.knowledge_id, p.position limit w.most
      ) f
      order by w.position, f.rank desc, f."knowledgeId", f.position`,
    values: [
      queries.map((q) => q.accountId),
      terms.map((t) => t.stemmed),
      terms.map((t) => t.plain),
      queries.map((q) => q.limit),
    ],
  });
  const found: Passage[][] = queries.map(() => []);
  for (const { queryPosition, ...passage } of rows) found[queryPosition - 1]?.push(passage);
  return found;
}
