/** The index behind every answer: passages of knowledge, products and Q&A, ranked by full-text search. */
import type { Database, Transaction } from '../../connect.ts';
import { toArrays } from '../../schema/columns.ts';
import type { passages as table } from '../../schema/index.ts';
import { type CutPassage, toPassages, toQuery } from '../../search-terms.ts';

type PassageRow = typeof table.$inferSelect;

/** A text to index, with the title that its passages are found under, too. */
export type Searchable = Pick<PassageRow, 'accountId' | 'kind' | 'title' | 'text'> & {
  id: string;
  /** The text's passages, where it has been cut already. */
  passages?: CutPassage[];
};

/** Indexes texts: their passages replace those that were indexed for the same ids before. */
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
    toArrays(passages, ['accountId', 'kind', 'id', 'position', 'title', 'text', 'stemmed', 'plain']),
  );
}

export type Passage = Pick<Searchable, 'kind' | 'id' | 'title' | 'text'>;

export type PassageQuery = { accountId: string; question: string; limit: number };

// Ranking a passage takes some microseconds.
const maxRanked = 5_000;

/** The `limit` best passages for each query, in order, best first; none where no word of the query occurs. */
export async function searchPassages(db: Database, queries: PassageQuery[]): Promise<Passage[][]> {
  const wanted = queries.map((query) => ({ ...query, ...toQuery(query.question) }));
  const { rows } = await db.pool.query<Passage & { queryPosition: number }>({
    // Unnamed, so planned each time: the right plan changes as the table grows. Rank falls with the passage's length
    // (flag 1 of ts_rank).
    text: `
      with wanted as materialized (
        select account_id, max_passages, position, to_tsquery('english', stemmed) || to_tsquery('simple', plain) as query
        from unnest($1::uuid[], $2::text[], $3::text[], $4::integer[]) with ordinality
          as u (account_id, stemmed, plain, max_passages, position)
      )
      select w.position::integer as "queryPosition", f.kind, f.id, f.title, f.text
      from wanted w cross join lateral (
        select p.kind, p.source_id as id, p.title, p.text, p.position, ts_rank(p.search, w.query, 1) as rank
        from (
          select * from passages where account_id = w.account_id and search @@ w.query limit ${maxRanked}
        ) p
        order by rank desc, p.source_id, p.position limit w.max_passages
      ) f
      order by w.position, f.rank desc, f.id, f.position`,
    values: toArrays(wanted, ['accountId', 'stemmed', 'plain', 'limit']),
  });
  const found: Passage[][] = queries.map(() => []);
  for (const { queryPosition, ...passage } of rows) found[queryPosition - 1]?.push(passage);
  return found;
}
