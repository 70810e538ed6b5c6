/** Workflows: which comments are answered, and with what. */
import { newId, TallyError } from '@tally/core';
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { eq, getTableColumns } from '../../drizzle.ts';
import { products, workflows } from '../../schema/index.ts';
import { lockAccount } from '../accounts/accounts.ts';
import { deleteOwn, findOwn, isOwn, listOwn, type OwnPage } from '../own-rows.ts';

export type Workflow = typeof workflows.$inferSelect;
export type WorkflowInput = Omit<Workflow, 'id' | 'accountId' | 'createdAt'>;
const columns = getTableColumns(workflows);

/** Limits per account; `keywordLetters` counts the keywords of all its workflows. */
export type WorkflowLimits = { workflows: number; keywordLetters: number };

/**
 * Undefined where the account has no such product, `too_many` where it has `limits.workflows` already.
 * @throws TallyError `conflict` where its keywords have too many letters
 */
export async function insertWorkflow(
  db: Database,
  accountId: string,
  input: WorkflowInput,
  limits: WorkflowLimits,
): Promise<Workflow | 'too_many' | undefined> {
  return inTransaction(db, async (client) => {
    await lockAccount(client, accountId);
    if ((await client.orm.$count(workflows, eq(workflows.accountId, accountId))) >= limits.workflows) return 'too_many';
    if (!(await hasProduct(client, accountId, input.productId))) return undefined;
    const [workflow] = await client.orm
      .insert(workflows)
      .values({ id: newId(), accountId, ...input })
      .returning();
    await requireFewLetters(client, accountId, limits);
    return workflow;
  });
}

/** Undefined where the account has no such workflow or product. @throws TallyError `conflict` as above */
export async function changeWorkflow(
  db: Database,
  accountId: string,
  id: string,
  change: Partial<WorkflowInput>,
  limits: WorkflowLimits,
): Promise<Workflow | undefined> {
  return inTransaction(db, async (client) => {
    await lockAccount(client, accountId);
    if (!(await hasProduct(client, accountId, change.productId))) return undefined;
    const [workflow] = await client.orm
      .update(workflows)
      // With the id, since Drizzle refuses to set nothing.
      .set({ ...change, id })
      .where(isOwn(workflows, accountId, id))
      .returning();
    await requireFewLetters(client, accountId, limits);
    return workflow;
  });
}

/** Whether the account has the product, where one is named; locks it, so that it can't be deleted meanwhile. */
async function hasProduct({ orm }: Transaction, accountId: string, id: string | null | undefined): Promise<boolean> {
  if (id === null || id === undefined) return true;
  const found = await orm
    .select({ id: products.id })
    .from(products)
    .where(isOwn(products, accountId, id))
    .for('key share');
  return found.length === 1;
}

/** Limits the work of matching a comment with all keywords of its account. @throws TallyError `conflict` */
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

/** A page of an account's workflows, newest first. */
export const listWorkflows = (db: Database, page: OwnPage): Promise<Workflow[]> =>
  listOwn(db, workflows, columns, page);

/** False where the account has no such workflow. */
export const deleteWorkflow = (db: Database, accountId: string, id: string): Promise<boolean> =>
  deleteOwn(db, workflows, accountId, id);

/** One account's workflow, or undefined. */
export const findWorkflow = (db: Database, accountId: string, id: string): Promise<Workflow | undefined> =>
  findOwn(db, workflows, columns, accountId, id);
