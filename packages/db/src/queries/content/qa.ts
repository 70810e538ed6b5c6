/** Question/answer pairs: written by a task, corrected by their owner, found by answers. */
import { createHash } from 'node:crypto';
import { idAfter } from '@tally/core';
import { and, asc, desc, eq, sql } from 'drizzle-orm';
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { isBelow, isOwn, omitColumns, type Selected, selectList } from '../../schema/columns.ts';
import { qaPairs } from '../../schema/index.ts';
import { toDocumentTerms } from '../../search-terms.ts';
import { requireRoom } from '../accounts/storage.ts';
import { indexPassages } from './passages.ts';

/** What a pair is about. Of a text only its hash is kept. */
export type QaAbout = { productId: string } | { url: string } | { text: string };

const columns = omitColumns(qaPairs, ['accountId', 'sourceKey', 'questionKey', 'updatedAt']);
export type QaRow = Selected<typeof columns>;

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
  const rows = await db.orm
    .select({ question: qaPairs.question })
    .from(qaPairs)
    .where(and(eq(qaPairs.accountId, accountId), eq(qaPairs.sourceKey, sourceKey(about))))
    .orderBy(asc(qaPairs.id))
    .limit(200);
  return rows.map((row) => row.question);
}

/** Adds the pairs whose question is new for their source, and returns those; to the same job the same ones again. */
export async function insertQaPairs(
  client: Transaction,
  { accountId, jobId }: { accountId: string; jobId: string },
  about: QaAbout,
  pairs: Pick<QaRow, 'question' | 'answer'>[],
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
    `select ${selectList(columns)} from qa_pairs where account_id = $1 and id = any($2::uuid[]) order by array_position($2::uuid[], id)`,
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
  const isAbout = input.productId === undefined ? undefined : eq(qaPairs.productId, input.productId);
  return db.orm
    .select(columns)
    .from(qaPairs)
    .where(and(eq(qaPairs.accountId, input.accountId), isBelow(qaPairs.id, input.beforeId), isAbout))
    .orderBy(desc(qaPairs.id))
    .limit(input.limit);
}

/**
 * Writes the owner's words over a pair; undefined where the account has no such pair.
 * @throws a duplicate (see isUniqueViolation) where its source has that question already
 */
export async function correctQaPair(
  db: Database,
  accountId: string,
  id: string,
  correction: { [Name in 'question' | 'answer']?: string | undefined },
): Promise<QaRow | undefined> {
  const { question, answer } = correction;
  return inTransaction(db, async (client) => {
    const key = question === undefined ? undefined : questionKey(question);
    const [pair] = await client.orm
      .update(qaPairs)
      .set({ question, questionKey: key, answer, corrected: true, updatedAt: sql`now()` })
      .where(isOwn(qaPairs, accountId, id))
      .returning(columns);
    if (pair === undefined) return undefined;
    await indexPassages(client, [toSearchable(accountId, pair)]);
    await requireRoom(client, accountId);
    return pair;
  });
}

/** False where the account has no such pair. */
export async function deleteQaPair(db: Database, accountId: string, id: string): Promise<boolean> {
  const { rowCount } = await db.orm.delete(qaPairs).where(isOwn(qaPairs, accountId, id));
  return rowCount === 1;
}
