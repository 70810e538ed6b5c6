/** Creates the demo accounts: one that works, one operator, and one for each refusal. */
import { type Billing, grantTokens } from '@tally/billing';
import { demoApiKey, hashApiKey, hashPassword } from '@tally/core';
import { insertAccount, insertApiKey, insertKnowledge, inTransaction, startPeriod, upsertProducts } from '@tally/db';
import { describeProduct } from '@tally/extraction';
import { demoKnowledge } from './knowledge.ts';
import { demoProducts } from './products.ts';

const password = 'tally-demo';
const dayMs = 86_400_000;
const starterTokens = 10_000;
const keyHash = hashApiKey(demoApiKey);

/** `withKey`: also creates the public demo API key. */
type SeedOptions = { withKey: boolean };

type DemoAccount = {
  email: string;
  role: 'tenant' | 'operator';
  fill: (billing: Billing, accountId: string, options: SeedOptions) => Promise<void>;
};

const demoAccounts: DemoAccount[] = [
  {
    email: 'demo@example.com',
    role: 'tenant',
    fill: async (billing, accountId, { withKey }) => {
      await subscribe(billing, accountId, {});
      for (const entry of demoKnowledge) await insertKnowledge(billing.db, { accountId, ...entry });
      await inTransaction(billing.db, (client) => upsertProducts(client, accountId, demoProducts, describeProduct));
      if (withKey) await insertApiKey(billing.db, { accountId, name: 'demo', keyHash, hint: demoApiKey }, 1);
    },
  },
  { email: 'operator@example.com', role: 'operator', fill: (billing, accountId) => subscribe(billing, accountId, {}) },
  {
    email: 'empty@example.com',
    role: 'tenant',
    fill: async (billing, accountId) => {
      await subscribe(billing, accountId, {});
      await grantTokens(billing, {
        accountId,
        tokens: -starterTokens,
        reason: 'Used up, for the demonstration',
        idempotencyKey: `demo:${accountId}`,
        grantedBy: null,
      });
    },
  },
  {
    email: 'expired@example.com',
    role: 'tenant',
    fill: (billing, accountId) => subscribe(billing, accountId, { endsInDays: -1 }),
  },
  {
    email: 'inactive@example.com',
    role: 'tenant',
    fill: (billing, accountId) => subscribe(billing, accountId, { status: 'inactive' }),
  },
  { email: 'none@example.com', role: 'tenant', fill: async () => undefined },
];

async function subscribe(
  billing: Billing,
  accountId: string,
  { status = 'active', endsInDays = 30 }: { status?: 'active' | 'inactive'; endsInDays?: number },
): Promise<void> {
  const endsAt = new Date(Date.now() + endsInDays * dayMs);
  await startPeriod(billing.db, {
    accountId,
    planId: 'starter',
    tokens: starterTokens,
    status,
    renews: endsInDays > 0,
    startsAt: new Date(endsAt.getTime() - 30 * dayMs),
    endsAt,
    grantedBy: null,
  });
}

/** Creates missing demo accounts; returns their e-mail addresses. */
export async function seedDemo(billing: Billing, options: SeedOptions): Promise<string[]> {
  const passwordHash = await hashPassword(password);
  const created: string[] = [];
  for (const { email, role, fill } of demoAccounts) {
    const account = await insertAccount(billing.db, { email, role, passwordHash, isConfirmed: true });
    if (account === undefined) continue;
    await fill(billing, account.id, options);
    created.push(email);
  }
  return created;
}
