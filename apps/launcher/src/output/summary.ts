/** Formats the summary that `npm start` prints once everything is ready. */
import { join } from 'node:path';
import { demoApiKey, type Settings } from '@tally/core';
import type { SandboxPlan } from '../sandbox.ts';

export type SummaryInput = { url: string; settings: Settings; sandboxPlan: SandboxPlan | undefined; startMs: number };

export function summary({ url, settings, sandboxPlan, startMs }: SummaryInput): string {
  const parts = [
    `
Tally is ready after ${(startMs / 1_000).toFixed(1)} s.

  API         ${url}
  Docs        ${url}/docs
  Queues      ${url}/admin/queues (operators)
  Logs        ${join(settings.dataDir, 'logs')}`,
    sandboxPlan === undefined ? '' : sandboxAddresses(sandboxPlan),
    sandboxPlan?.isModel ? sandboxNotice : '',
    settings.demoData ? demoAccounts : '',
    settings.demoData && !settings.production ? firstRequest(url, sandboxPlan) : '',
    '\nCtrl-C stops everything. `npm run worker` adds a worker, `npm run api` another API.\n',
  ];
  return parts.filter((part) => part !== '').join('\n');
}

const sandboxAddresses = ({ url, shopUrl, isMail }: SandboxPlan): string => `  Sample shop ${shopUrl}
  Instagram   ${url}/sandbox/instagram (a stand-in: fire comments and messages, watch the replies)${
    isMail ? `\n  Mailbox     ${url}/sandbox/mailbox (what is sent by e-mail arrives here)` : ''
  }`;

const sandboxNotice = `
The sandbox model answers (no OPENAI_API_KEY or OPENAI_BASE_URL set): answers are stand-ins, tokens are counted for real.`;

const demoAccounts = `
Accounts, password tally-demo:

  demo@example.com       plan starter: 10,000 tokens, a little knowledge
  operator@example.com   sees every account, and the queues
  empty@example.com      no_tokens_remaining
  expired@example.com    subscription_expired
  inactive@example.com   subscription_inactive
  none@example.com       no_subscription
`;

const firstRequest = (url: string, sandboxPlan: SandboxPlan | undefined): string => `
In another terminal, these lines are what the README's begin with:

  TALLY=${url}
  KEY=${demoApiKey}${sandboxPlan === undefined ? '' : `\n  SHOP=${sandboxPlan.shopUrl}`}

  curl -s $TALLY/api/ai/ask-question -H "authorization: Bearer $KEY" -H 'content-type: application/json' \\
    -H 'Prefer: wait=10' -d '{"question":"How long do I have to return a lamp?"}'; echo`;
