/** The business's own instructions for its answers, in versions; the highest is in use. */
import { type Database, inTransaction, type Transaction } from '../../connect.ts';

export type PromptVersion = { version: number; text: string; origin: 'generated' | 'owner'; createdAt: Date };
const columns = `version, text, origin, created_at as "createdAt"`;
const versionsKept = 20;

/** The newest `limit` versions, newest first. */
export async function listPrompts(db: Database, accountId: string, limit: number): Promise<PromptVersion[]> {
  const { rows } = await db.pool.query<PromptVersion>(
    `select ${columns} from prompts where account_id = $1 order by version desc limit $2`,
    [accountId, limit],
  );
  return rows;
}

/** The texts in use of accounts, in order; undefined where an account has none. */
export async function readCurrentPrompts(db: Database, accountIds: string[]): Promise<(string | undefined)[]> {
  const { rows } = await db.hot.query<{ account_id: string; text: string }>({
    name: 'read_current_prompts',
    text: `select a.id as account_id, p.text from (select distinct unnest($1::uuid[]) as id) a
      cross join lateral (select text from prompts where account_id = a.id order by version desc limit 1) p`,
    values: [accountIds],
  });
  const byAccount = new Map(rows.map((row) => [row.account_id, row.text]));
  return accountIds.map((id) => byAccount.get(id));
}

/** Adds the next version and forgets all but the latest few; a job that has added one gets that again. */
export async function insertPrompt(
  client: Transaction,
  input: { accountId: string; text: string; origin: 'generated' | 'owner'; jobId?: string | undefined },
): Promise<PromptVersion> {
  // One at a time an account: each gets a number of its own.
  await client.query(`select pg_advisory_xact_lock(hashtextextended('tally:prompts:' || $1, 0))`, [input.accountId]);
  const { rows } = await client.query<PromptVersion>(
    `with added as (
       insert into prompts (account_id, version, text, origin, job_id)
       select $1, coalesce(max(version), 0) + 1, $2, $3, $4 from prompts where account_id = $1
       on conflict (job_id) do nothing returning ${columns}
     )
     select * from added union all select ${columns} from prompts where job_id = $4 limit 1`,
    [input.accountId, input.text, input.origin, input.jobId ?? null],
  );
  const row = rows[0];
  if (row === undefined) throw new Error('an insert returned no row');
  await client.query('delete from prompts where account_id = $1 and version <= $2', [
    input.accountId,
    row.version - versionsKept,
  ]);
  return row;
}

/** The owner's own text as the next version. */
export function writePrompt(db: Database, accountId: string, text: string): Promise<PromptVersion> {
  return inTransaction(db, (client) => insertPrompt(client, { accountId, text, origin: 'owner' }));
}
