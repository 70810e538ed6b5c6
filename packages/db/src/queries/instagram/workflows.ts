/** Workflows: which comments are answered, and with what. */
import { newId, TallyError } from '@tally/core';
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { lockAccount } from '../accounts/accounts.ts';

export type Workflow = {
  id: string;
  accountId: string;
  igUserId: string;
  name: string;
  keywords: string[];
  mediaIds: string[];
  productId: string | null;
  instructions: string | null;
  enabled: boolean;
  createdAt: Date;
};
const workflowColumns = `id, account_id as "accountId", ig_user_id as "igUserId", name, keywords, media_ids as "mediaIds",
  product_id as "productId", instructions, enabled, created_at as "createdAt"`;

export type WorkflowInput = Omit<Workflow, 'id' | 'accountId' | 'createdAt'>;

export type WorkflowLimits = { workflows: number; keywordLetters: number };

/** Undefined where the product is not the account's, `too_many` where it has so many workflows, or letters of keywords, already. */
export async function insertWorkflow(
  db: Database,
  accountId: string,
  input: WorkflowInput,
  limits: WorkflowLimits,
): Promise<Workflow | 'too_many' | undefined> {
  return inTransaction(db, async (client) => {
    await lockAccount(client, accountId);
    const { rows: before } = await client.query<{ count: number }>(
      'select count(*) from workflows where account_id = $1',
      [accountId],
    );
    if ((before[0]?.count ?? 0) >= limits.workflows) return 'too_many';
    const { rows } = await client.query<Workflow>(
      `insert into workflows (id, account_id, ig_user_id, name, keywords, media_ids, product_id, instructions, enabled)
       select $1, $2, $3, $4, $5, $6, $7::uuid, $8, $9
       where $7::uuid is null or exists (select from products where id = $7::uuid and account_id = $2)
       returning ${workflowColumns}`,
      [
        newId(),
        accountId,
        input.igUserId,
        input.name,
        input.keywords,
        input.mediaIds,
        input.productId,
        input.instructions,
        input.enabled,
      ],
    );
    await requireFewLetters(client, accountId, limits);
    return rows[0];
  });
}

/** Every comment is held against all keywords of its account. @throws TallyError `conflict` */
async function requireFewLetters(client: Transaction, accountId: string, limits: WorkflowLimits): Promise<void> {
  const { rows } = await client.query<{ letters: number }>(
    `select coalesce(sum(length(array_to_string(keywords, ''))), 0)::bigint as letters from workflows where account_id = $1`,
    [accountId],
  );
  if ((rows[0]?.letters ?? 0) > limits.keywordLetters)
    throw new TallyError(
      'conflict',
      `The keywords of all workflows together have at most ${limits.keywordLetters} letters`,
    );
}

export async function listWorkflows(
  db: Database,
  input: { accountId: string; limit: number; beforeId?: string | undefined },
): Promise<Workflow[]> {
  const { rows } = await db.pool.query<Workflow>(
    `select ${workflowColumns} from workflows where account_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3`,
    [input.accountId, input.beforeId ?? null, input.limit],
  );
  return rows;
}

/** Undefined where the account has no such workflow, or not that product. */
export async function changeWorkflow(
  db: Database,
  accountId: string,
  id: string,
  change: Partial<WorkflowInput>,
  limits: WorkflowLimits,
): Promise<Workflow | undefined> {
  const names = {
    igUserId: 'ig_user_id',
    name: 'name',
    keywords: 'keywords',
    mediaIds: 'media_ids',
    productId: 'product_id',
    instructions: 'instructions',
    enabled: 'enabled',
  } as const satisfies Record<keyof WorkflowInput, string>;
  const given = (Object.keys(names) as (keyof WorkflowInput)[]).filter((key) => change[key] !== undefined);
  const sets = given.map((key, i) => `${names[key]} = $${i + 4}`);
  return inTransaction(db, async (client) => {
    await lockAccount(client, accountId);
    const { rows } = await client.query<Workflow>(
      `update workflows set ${['id = id', ...sets].join(', ')} where account_id = $1 and id = $2
       and ($3::uuid is null or exists (select from products where id = $3 and account_id = $1))
     returning ${workflowColumns}`,
      [accountId, id, change.productId ?? null, ...given.map((key) => change[key])],
    );
    await requireFewLetters(client, accountId, limits);
    return rows[0];
  });
}

/** False where the account has no such workflow. */
export async function deleteWorkflow(db: Database, accountId: string, id: string): Promise<boolean> {
  const { rowCount } = await db.pool.query('delete from workflows where account_id = $1 and id = $2', [accountId, id]);
  return rowCount === 1;
}

/** One account's workflow, or undefined. */
export async function findWorkflow(db: Database, accountId: string, id: string): Promise<Workflow | undefined> {
  const { rows } = await db.pool.query<Workflow>(
    `select ${workflowColumns} from workflows where account_id = $1 and id = $2`,
    [accountId, id],
  );
  return rows[0];
}
