/** A tenant for system tests: submits over HTTP, and reads its jobs, ledger rows and entries in the sandbox's book. */
import { insertKnowledge } from '@tally/db';
import { holdLeaseMs, type Installation, newAccount, testPassword, until } from '@tally/testing';
import { expect } from 'vitest';

export type JobRow = { id: string; status: string; error_code: string | null; attempts: number; fence: number };

export type Tenant = {
  accountId: string;
  token: string;
  subscriptionId: string;
  /** Submits one question and returns the job's id. @throws where the answer is not 202 */
  ask(question?: string): Promise<string>;
  jobs(): Promise<JobRow[]>;
  /** Resolves when every job has ended. @throws after `limitMs` */
  allEnded(limitMs?: number): Promise<JobRow[]>;
  /** Billed tokens. */
  consumed(): Promise<number>;
  /** The account's totals in the sandbox's own record of model calls. */
  book(): Promise<{ requests: number; answered: number; total_tokens: number }>;
};

/** Creates an account with tokens and one knowledge entry, and logs it in at `apiUrl`. */
export async function newTenant(system: Installation, apiUrl: string, tokens: number): Promise<Tenant> {
  const { db } = system.billing;
  const { accountId, subscriptionId, email } = await newAccount(system.billing, { tokens });
  await insertKnowledge(db, { accountId, title: 'Returns', text: 'You have 30 days to return a lamp.' });
  const login = await fetch(`${apiUrl}/api/accounts/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password: testPassword }),
  });
  const { access_token: token } = (await login.json()) as { access_token: string };

  async function jobs(): Promise<JobRow[]> {
    const { rows } = await db.pool.query<JobRow>(
      'select id, status, error_code, attempts, fence from jobs where account_id = $1 order by id',
      [accountId],
    );
    return rows;
  }

  return {
    accountId,
    token,
    subscriptionId,
    ask: async (question = 'How many days do I have to return a lamp?') => {
      const response = await fetch(`${apiUrl}/api/ai/ask-question`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({ question }),
      });
      const body = (await response.json()) as { job_id: string };
      expect(response.status, JSON.stringify(body)).toBe(202);
      return body.job_id;
    },
    jobs,
    allEnded: async (limitMs = 60_000) =>
      until(async () => {
        const rows = await jobs();
        return rows.every(({ status }) => !['queued', 'running'].includes(status)) && rows;
      }, limitMs),
    consumed: async () => {
      const { rows } = await db.pool.query<{ tokens: number }>(
        'select coalesce(sum(billed_tokens), 0)::bigint as tokens from ai_usage_log where account_id = $1',
        [accountId],
      );
      return rows[0]?.tokens ?? 0;
    },
    book: async () => {
      const response = await fetch(`${system.sandbox.url}/sandbox/book?user=${accountId}&limit=1`);
      const { totals } = (await response.json()) as {
        totals: { requests: number; answered: number; total_tokens: number };
      };
      return totals;
    },
  };
}

/**
 * Expects the end state after any fault: each job has ended, is billed once if completed and else not at all, no hold
 * remains after its lease and a sweep, and rows, balances and Redis agree.
 */
export async function expectConsistent(system: Installation, tenant: Tenant): Promise<JobRow[]> {
  const { db } = system.billing;
  const rows = await tenant.allEnded();
  const billed = await db.pool.query<{ job_id: string; charges: number }>(
    'select job_id, count(*) as charges from ai_usage_log where account_id = $1 and billed_tokens > 0 group by job_id',
    [tenant.accountId],
  );
  const charges = new Map(billed.rows.map((row) => [row.job_id, row.charges]));
  for (const { id, status } of rows)
    expect(charges.get(id) ?? 0, `${id} ${status}`).toBe(status === 'completed' ? 1 : 0);
  await until(async () => {
    const { rows: holds } = await db.pool.query('select id from token_holds where account_id = $1', [tenant.accountId]);
    return holds.length === 0;
  }, holdLeaseMs + 10_000);
  const verified = await until(async () => {
    const result = await system.ops('verify');
    return result.code === 0 && result;
  }, holdLeaseMs + 10_000);
  expect(verified.output).toContain('agree');
  return rows;
}
