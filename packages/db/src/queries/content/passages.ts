/** The one index behind every answer: passages of knowledge, products and Q&A, ranked by full-text search. */
import type { Database, Transaction } from '../../connect.ts';
import type { passages as table } from '../../schema/index.ts';
import { type CutPassage, toPassages, toQuery } from '../../search-terms.ts';

type PassageRow = typeof table.$inferSelect;

/** A text to be found under its title. */
export type Searchable = Pick<PassageRow, 'accountId' | 'kind' | 'title' | 'text'> & {
  id: string;
  /** Where the text has been cut already. */
  passages?: CutPassage[];
};

/** Puts the passages of these texts in the place of what was indexed for them before. */
export async function indexPassages(client: Transaction, items: Searchable[]): Promise<void> {
  await client.query('delete from passages where source_id = any($1::uuid[])', [items.map(({ id }) => id)]);
  const passages = items.flatMap((item) =>
    (item.passages ?? toPassages(item)).map((passage, i) => ({ ...item, ...passage, position: i + 1 })),
  );
  await client.query(
    `insert into passages (account_id, kind, source_id, position, title, text, search)
     select account_id, kind, source_id, position, title, text,
       to_tsvector('english', stemmed) || to_tsvector('simple', plain)
     from unnest($1::uuid[], $2::text[], $3::uuid[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::text[])
       as u (account_id, kind, source_id, position, title, text, stemmed, plain)`,
    [
      passages.map((p) => p.accountId),
      passages.map((p) => p.kind),
      passages.map((p) => p.id),
      passages.map((p) => p.position),
      passages.map((p) => p.title),
      passages.map((p) => p.text),
      passages.map((p) => p.stemmed),
      passages.map((p) => p.plain),
    ],
  );
}

export type Passage = Pick<Searchable, 'kind' | 'id' | 'title' | 'text'>;

export type PassageQuery = { accountId: string; question: string; limit: number };

// To rank one takes some microseconds.
const maxRanked = 5_000;

/** For each query, in order, its account's passages that fit best, best first; none where no word of it occurs. */
export async function searchPassages(db: Database, queries: PassageQuery[]): Promise<Passage[][]> {
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
      select w.position::integer as "queryPosition", f.kind, f.id, f.title, f.text
      from wanted w cross join lateral (
        select p.kind, p.source_id as id, p.title, p.text, p.position, ts_rank(p.search, w.query, 1) as rank
        from (
          select * from passages where account_id = w.account_id and search @@ w.query limit ${maxRanked}
        ) p
        order by rank desc, p.source_id, p.position limit w.most
      ) f
      order by w.position, f.rank desc, f.id, f.position`,
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
