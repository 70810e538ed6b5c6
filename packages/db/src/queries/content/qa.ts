/** Question/answer pairs: written by a task, corrected by their owner, found by answers. */
import { createHash } from 'node:crypto';
import { idAfter } from '@tally/core';
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { toDocumentTerms } from '../../search-terms.ts';
import { requireRoom } from '../accounts/storage.ts';
import { indexPassages } from './passages.ts';

/** What a pair is about. Of a text only its hash is kept. */
export type QaAbout = { productId: string } | { url: string } | { text: string };

export type QaRow = {
  id: string;
  productId: string | null;
  url: string | null;
  question: string;
  answer: string;
  corrected: boolean;
  createdAt: Date;
};
const columns = `id, product_id as "productId", url, question, answer, corrected, created_at as "createdAt"`;

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

function sourceKey(about: QaAbout): Buffer {
  if ('productId' in about) return sha256(`product ${about.productId}`);
  return sha256('url' in about ? `url ${about.url}` : `text ${about.text}`);
}

/** The same for questions that differ in case, punctuation or letter forms only. */
function questionKey(question: string): Buffer {
  const { stemmed, plain } = toDocumentTerms(question);
  return sha256(`${stemmed}\n${plain}`);
}

/** The questions that exist about a source, oldest first. */
export async function listQuestions(db: Database, accountId: string, about: QaAbout): Promise<string[]> {
  const { rows } = await db.pool.query<{ question: string }>(
    'select question from qa_pairs where account_id = $1 and source_key = $2 order by id limit 200',
    [accountId, sourceKey(about)],
  );
  return rows.map((row) => row.question);
}

/** Adds the pairs whose question is new for their source, and returns those; to the same job the same ones again. */
export async function insertQaPairs(
  client: Transaction,
  { accountId, jobId }: { accountId: string; jobId: string },
  about: QaAbout,
  pairs: { question: string; answer: string }[],
): Promise<QaRow[]> {
  const unique = new Map(pairs.map((pair) => [questionKey(pair.question).toString('hex'), pair] as const));
  const sorted = [...unique].sort(([a], [b]) => (a < b ? -1 : 1));
  const ids = sorted.map(([key]) => idAfter(jobId, key));
  await client.query(
    `insert into qa_pairs (id, account_id, product_id, url, source_key, question_key, question, answer)
     select u.id, $1, $2, $3, $4, decode(u.key, 'hex'), u.question, u.answer
     from unnest($5::uuid[], $6::text[], $7::text[], $8::text[]) as u (id, key, question, answer)
     on conflict do nothing`,
    [
      accountId,
      'productId' in about ? about.productId : null,
      'url' in about ? about.url : null,
      sourceKey(about),
      ids,
      sorted.map(([key]) => key),
      sorted.map(([, pair]) => pair.question),
      sorted.map(([, pair]) => pair.answer),
    ],
  );
  const { rows } = await client.query<QaRow>(
    `select ${columns} from qa_pairs where account_id = $1 and id = any($2::uuid[]) order by array_position($2::uuid[], id)`,
    [accountId, ids],
  );
  await indexPassages(
    client,
    rows.map((row) => toSearchable(accountId, row)),
  );
  return rows;
}

const toSearchable = (accountId: string, { id, question, answer }: QaRow) => ({
  accountId,
  kind: 'qa' as const,
  id,
  title: question,
  text: answer,
});

/** One account's pairs, newest first, `limit` of them from below `beforeId`; of one product where it is named. */
export async function listQaPairs(
  db: Database,
  input: { accountId: string; limit: number; beforeId?: string | undefined; productId?: string | undefined },
): Promise<QaRow[]> {
  const { rows } = await db.pool.query<QaRow>(
    `select ${columns} from qa_pairs where account_id = $1 and ($2::uuid is null or id < $2)
       and ($3::uuid is null or product_id = $3) order by id desc limit $4`,
    [input.accountId, input.beforeId ?? null, input.productId ?? null, input.limit],
  );
  return rows;
}

/**
 * Writes the owner's words over a pair; undefined where the account has no such pair.
 * @throws a duplicate (see isUniqueViolation) where its source has that question already
 */
export async function correctQaPair(
  db: Database,
  accountId: string,
  id: string,
  correction: { question?: string | undefined; answer?: string | undefined },
): Promise<QaRow | undefined> {
  const { question, answer } = correction;
  return inTransaction(db, async (client) => {
    const { rows } = await client.query<QaRow>(
      `update qa_pairs set question = coalesce($3, question), question_key = coalesce($4, question_key),
         answer = coalesce($5, answer), corrected = true, updated_at = now()
       where account_id = $1 and id = $2 returning ${columns}`,
      [accountId, id, question ?? null, question === undefined ? null : questionKey(question), answer ?? null],
    );
    const pair = rows[0];
    if (pair === undefined) return undefined;
    await indexPassages(client, [toSearchable(accountId, pair)]);
    await requireRoom(client, accountId);
    return pair;
  });
}

/** False where the account has no such pair. */
export async function deleteQaPair(db: Database, accountId: string, id: string): Promise<boolean> {
  const { rowCount } = await db.pool.query('delete from qa_pairs where account_id = $1 and id = $2', [accountId, id]);
  return rowCount === 1;
}
