/** A tenant registers, is refused, confirms her address, and is given tokens by the operator. */
import { z } from 'zod';
import { type Client, createClient } from '../client.ts';
import { expectEqual, Untold } from '../expect.ts';
import type { Addresses } from '../installation.ts';
import type { Screen } from '../screen.ts';
import { count, tokensOf } from '../text.ts';

const email = 'lea@lumiere-oak.example';
/** Enough for the chapters that follow and a few questions more: the story is about how they end. */
const subscriptionTokens = 6_500;

const LoggedIn = z.object({ access_token: z.string() });
const Mails = z.object({ mails: z.array(z.object({ text: z.string() })) });
const Subscribed = z.object({
  subscription: z.object({
    plan: z.object({ name: z.string() }),
    status: z.string(),
    ends_at: z.string(),
    tokens_remaining: z.int(),
  }),
});

/** @returns the tenant, logged in */
export async function openAccount(screen: Screen, { api: url, sandbox }: Addresses): Promise<Client> {
  screen.chapter(
    'A tenant registers, and nothing runs without tokens',
    'Before a task is even queued, Postgres is asked whether the account may use AI. An account without a subscription ' +
      'is told so, and costs nobody anything.',
  );
  const guest = createClient({ screen, url, who: 'Lea' });
  const account = { email, password: 'lamps-that-last' };
  const { access_token: token } = await guest.post('/api/accounts/register', account, LoggedIn, 201);
  screen.answer('201, registered and logged in');
  const tenant = createClient({ screen, url, who: 'Lea', token });

  const refused = await tenant.send('POST', '/api/ai/ask-question', { question: 'How much is the Aurora?' });
  const expected = { error_code: 'no_subscription', tokens_remaining: 0, original_tokens: 0, consumed_tokens: 0 };
  expectEqual('A task without a subscription', pick(refused), { status: 402, ...expected });
  screen.answer('402 no_subscription, 0 tokens remaining of 0');

  const outside = createClient({ screen, url: sandbox, who: 'Lea' });
  const { mails } = await outside.get(`/sandbox/mail?to=${encodeURIComponent(email)}`, Mails);
  const link = /#([\w-]+)/.exec(mails[0]?.text ?? '')?.[1];
  if (link === undefined) throw new Untold('No link came by e-mail.');
  await guest.post('/api/accounts/confirm', { token: link, password: account.password }, LoggedIn);
  screen.answer('200, the address is hers: operators sell to owners of addresses alone');

  const login = { email: 'operator@example.com', password: 'tally-demo' };
  const operatorToken = (await guest.quiet.post('/api/accounts/login', login, LoggedIn)).access_token;
  const operator = createClient({ screen, url, who: 'operator', token: operatorToken });
  const order = { email, plan: 'starter', tokens: subscriptionTokens };
  const { subscription } = await operator.post('/api/admin/subscriptions', order, Subscribed, 201);
  expectEqual('The status of the subscription', subscription.status, 'active');
  expectEqual('Its tokens', subscription.tokens_remaining, subscriptionTokens);
  screen.answer(
    `201, ${subscription.plan.name} is active until ${subscription.ends_at.slice(0, 10)}, with ` +
      `${tokensOf(subscription.tokens_remaining)}`,
  );
  screen.note(`A small one: ${count(subscriptionTokens)} tokens are about twenty questions to a model.`);
  return tenant;
}

function pick({ status, body }: { status: number; body: unknown }): object {
  const { error_code, tokens_remaining, original_tokens, consumed_tokens } = body as Record<string, unknown>;
  return { status, error_code, tokens_remaining, original_tokens, consumed_tokens };
}
