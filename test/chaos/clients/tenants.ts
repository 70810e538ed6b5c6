/** The accounts of a run, registered over HTTP. */
import { findAccountByEmail, insertKnowledge, setRole } from '@tally/db';
import type { Installation } from '@tally/testing';
import { send } from './http.ts';

export type Account = { name: string; email: string; accountId: string; token: string };

export type Tenants = {
  /** Never runs out of tokens. */
  rich: Account;
  /** Runs out of tokens during the run. */
  poor: Account;
  /** Is always short of tokens and topped up repeatedly. */
  short: Account;
  /** Has a connected Instagram account. */
  instagram: Account;
  /** Submits the jobs that measure recovery. */
  canary: Account;
  operator: Account;
};

export const igUserId = '17841400000000042';
const password = 'correct horse battery';
const ampleTokens = 1_000_000_000;
/** A question costs about 300 tokens, and the poor tenant asks about three a second. */
const poorTokens = (minutes: number): number => Math.round(15_000 + 15_000 * minutes);
const shortTokens = 10_000;

/** Registers every account with tokens and knowledge, at the API with base URL `url`. @throws where a request fails */
export async function openTenants(system: Installation, url: string, minutes: number): Promise<Tenants> {
  const { db } = system.billing;

  async function require2xx(path: string, token: string | undefined, body: object): Promise<Record<string, unknown>> {
    const answer = await send(url, { method: 'POST', path, token, body, limitMs: 30_000 });
    if (answer === undefined || answer.status >= 300)
      throw new Error(`${path} answers ${answer?.status}: ${JSON.stringify(answer?.body)}`);
    return answer.body;
  }

  async function open(name: string): Promise<Account> {
    const email = `${name}@example.com`;
    const { access_token } = await require2xx('/api/accounts/register', undefined, { email, password });
    const account = await findAccountByEmail(db, email);
    if (account === undefined) throw new Error(`${email} was not registered`);
    await db.pool.query('update accounts set email_confirmed_at = now() where id = $1', [account.id]);
    await insertKnowledge(db, { accountId: account.id, title: 'Returns', text: 'You have 30 days to return a lamp.' });
    return { name, email, accountId: account.id, token: String(access_token) };
  }

  const operator = await open('operator');
  await setRole(db, operator.accountId, 'operator');
  async function tenant(name: string, tokens: number): Promise<Account> {
    const account = await open(name);
    const subscription = { email: account.email, plan: 'starter', tokens };
    await require2xx('/api/admin/subscriptions', operator.token, subscription);
    return account;
  }

  const tenants: Tenants = {
    operator,
    rich: await tenant('rich', ampleTokens),
    poor: await tenant('poor', poorTokens(minutes)),
    short: await tenant('short', shortTokens),
    instagram: await tenant('instagram', ampleTokens),
    canary: await tenant('canary', ampleTokens),
  };
  const { token } = tenants.instagram;
  const connected = { ig_user_id: igUserId, username: 'lamps.lisbon', access_token: `token-${igUserId}` };
  await require2xx('/api/instagram/accounts', token, connected);
  await require2xx('/api/workflows', token, { ig_user_id: igUserId, name: 'every comment' });
  return tenants;
}
