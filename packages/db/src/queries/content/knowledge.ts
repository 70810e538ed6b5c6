/** An account's knowledge: texts that answers are drawn from. */
import { newId } from '@tally/core';
import { type Database, inTransaction } from '../../connect.ts';
import { omitColumns, type Selected, selectList } from '../../schema/columns.ts';
import { knowledge } from '../../schema/index.ts';
import type { CutPassage } from '../../search-terms.ts';
import { checkStorageFor, requireStorage } from '../accounts/storage.ts';
import { deleteOwn, type OwnPage } from '../own-rows.ts';
import { indexPassages } from './passages.ts';

const columns = omitColumns(knowledge, ['accountId']);
export type KnowledgeEntry = Selected<typeof columns>;

/** Stores a text and its searchable passages, which are cut here unless given. @throws TallyError `storage_full` */
export async function insertKnowledge(
  db: Database,
  input: Omit<typeof knowledge.$inferInsert, 'id'> & { passages?: CutPassage[] },
): Promise<KnowledgeEntry> {
  const id = newId();
  await checkStorageFor(db, input.accountId, Buffer.byteLength(input.title) + Buffer.byteLength(input.text) + 200);
  return inTransaction(db, async (client) => {
    // The entry is inserted last: its trigger locks the account's storage counter.
    await indexPassages(client, [{ kind: 'knowledge', ...input, id }]);
    const [entry] = await client.orm
      .insert(knowledge)
      .values({ ...input, id })
      .returning(columns);
    await requireStorage(client, input.accountId);
    return entry as KnowledgeEntry;
  });
}

/**
 * A page of an account's entries, newest first, cut after the entry that reaches `maxBytes` of text. `hasMore` is true
 * where others may follow.
 */
export async function listKnowledge(
  db: Database,
  input: OwnPage & { maxBytes: number },
): Promise<{ entries: KnowledgeEntry[]; hasMore: boolean }> {
  const { rows } = await db.pool.query<KnowledgeEntry & { listed: number }>(
    `with listed as (
       select id from knowledge where account_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3
     ), sized as (
       select k.*, count(*) over () as listed,
         sum(octet_length(k.text)) over (order by k.id desc rows between unbounded preceding and 1 preceding) as bytes_before
       from listed join knowledge k using (id)
     )
     select ${selectList(columns)}, listed from sized
     where coalesce(bytes_before, 0) < $4 order by id desc`,
    [input.accountId, input.beforeId, input.limit, input.maxBytes],
  );
  const listed = rows[0]?.listed ?? 0;
  const entries = rows.map(({ listed: _, ...entry }) => entry);
  return { entries, hasMore: listed === input.limit || entries.length < listed };
}

/** False where the account has no such entry. */
export const deleteKnowledge = (db: Database, accountId: string, id: string): Promise<boolean> =>
  deleteOwn(db, knowledge, accountId, id);
