/** Workflows: which comments are answered, and with what. */
import { newId, TallyError } from '@tally/core';
import { and, desc, eq, getTableColumns, sql } from 'drizzle-orm';
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { isBelow, isOwn, omitColumns, selectList } from '../../schema/columns.ts';
import { products, workflows } from '../../schema/index.ts';
import { lockAccount } from '../accounts/accounts.ts';

export type Workflow = typeof workflows.$inferSelect;
export type WorkflowInput = Omit<Workflow, 'id' | 'accountId' | 'createdAt'>;
const inputColumns = Object.entries(omitColumns(workflows, ['id', 'accountId', 'createdAt']));

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
    const ofAccount = eq(workflows.accountId, accountId);
    if ((await client.orm.$count(workflows, ofAccount)) >= limits.workflows) return 'too_many';
    const names = inputColumns.map(([, { name }]) => name).join(', ');
    const { rows } = await client.query<Workflow>(
      `insert into workflows (id, account_id, ${names}) select $1, $2, ${inputColumns.map((_, i) => `$${i + 4}`).join(', ')}
       where $3::uuid is null or exists (select from products where id = $3::uuid and account_id = $2)
       returning ${selectList(getTableColumns(workflows))}`,
      [newId(), accountId, input.productId, ...inputColumns.map(([key]) => input[key as keyof WorkflowInput])],
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
  return db.orm
    .select()
    .from(workflows)
    .where(and(eq(workflows.accountId, input.accountId), isBelow(workflows.id, input.beforeId)))
    .orderBy(desc(workflows.id))
    .limit(input.limit);
}

/** Undefined where the account has no such workflow, or not that product. */
export async function changeWorkflow(
  db: Database,
  accountId: string,
  id: string,
  change: Partial<WorkflowInput>,
  limits: WorkflowLimits,
): Promise<Workflow | undefined> {
  const hasProduct =
    change.productId == null
      ? undefined
      : sql`exists (select from ${products} where ${products.id} = ${change.productId} and ${products.accountId} = ${accountId})`;
  return inTransaction(db, async (client) => {
    await lockAccount(client, accountId);
    // An empty change is one, too.
    const rows = await client.orm
      .update(workflows)
      .set({ ...change, id })
      .where(and(isOwn(workflows, accountId, id), hasProduct))
      .returning();
    await requireFewLetters(client, accountId, limits);
    return rows[0];
  });
}

/** False where the account has no such workflow. */
export async function deleteWorkflow(db: Database, accountId: string, id: string): Promise<boolean> {
  const { rowCount } = await db.orm.delete(workflows).where(isOwn(workflows, accountId, id));
  return rowCount === 1;
}

/** One account's workflow, or undefined. */
export async function findWorkflow(db: Database, accountId: string, id: string): Promise<Workflow | undefined> {
  const rows = await db.orm
    .select()
    .from(workflows)
    .where(isOwn(workflows, accountId, id));
  return rows[0];
}
