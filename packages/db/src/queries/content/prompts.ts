/** A business's instructions for its answers, in versions; the highest is in use. */
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { and, desc, eq, lte } from '../../drizzle.ts';
import { omitColumns, type RowOf, type Selected, selectList } from '../../schema/columns.ts';
import { prompts } from '../../schema/index.ts';

const columns = omitColumns(prompts, ['accountId', 'jobId']);
export type PromptVersion = Selected<typeof columns>;
const versionsKept = 20;

/** The newest `limit` versions, newest first. */
export async function listPrompts(db: Database, accountId: string, limit: number): Promise<PromptVersion[]> {
  return db.orm
    .select(columns)
    .from(prompts)
    .where(eq(prompts.accountId, accountId))
    .orderBy(desc(prompts.version))
    .limit(limit);
}

/** The text in use of each account, in order; undefined where it has none. */
export async function readCurrentPrompts(db: Database, accountIds: string[]): Promise<(string | undefined)[]> {
  const { rows } = await db.hot.query<Pick<RowOf<typeof prompts>, 'account_id' | 'text'>>({
    name: 'read_current_prompts',
    text: `select a.id as account_id, p.text from (select distinct unnest($1::uuid[]) as id) a
      cross join lateral (select text from prompts where account_id = a.id order by version desc limit 1) p`,
    values: [accountIds],
  });
  const byAccount = new Map(rows.map((row) => [row.account_id, row.text]));
  return accountIds.map((id) => byAccount.get(id));
}

/** Adds the next version and deletes all but the latest 20; a job that has added one already gets that one. */
export async function insertPrompt(
  client: Transaction,
  input: Omit<typeof prompts.$inferInsert, 'version'>,
): Promise<PromptVersion> {
  // Serializes an account's inserts, so that each gets its own number.
  await client.query(`select pg_advisory_xact_lock(hashtextextended('tally:prompts:' || $1, 0))`, [input.accountId]);
  const { rows } = await client.query<PromptVersion>(
    `with added as (
       insert into prompts (account_id, version, text, origin, job_id)
       select $1, coalesce(max(version), 0) + 1, $2, $3, $4 from prompts where account_id = $1
       on conflict (job_id) do nothing returning ${selectList(columns)}
     )
     select * from added union all select ${selectList(columns)} from prompts where job_id = $4 limit 1`,
    [input.accountId, input.text, input.origin, input.jobId ?? null],
  );
  const row = rows[0];
  if (row === undefined) throw new Error('an insert returned no row');
  await client.orm
    .delete(prompts)
    .where(and(eq(prompts.accountId, input.accountId), lte(prompts.version, row.version - versionsKept)));
  return row;
}

/** Adds the owner's text as the next version. */
export function writePrompt(db: Database, accountId: string, text: string): Promise<PromptVersion> {
  return inTransaction(db, (client) => insertPrompt(client, { accountId, text, origin: 'owner' }));
}
