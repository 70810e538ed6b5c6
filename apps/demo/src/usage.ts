/** Tokens as the pages show them, and as the jobs add up to. */
import { z } from 'zod';
import { type Client, Job } from './client.ts';

export type Usage = { consumed: number; included: number; remaining: number };

export const AiUsage = z
  .object({
    total_tokens_consumed: z.int(),
    original_tokens_included: z.int(),
    actual_tokens_remaining: z.int(),
  })
  .transform(
    (usage): Usage => ({
      consumed: usage.total_tokens_consumed,
      included: usage.original_tokens_included,
      remaining: usage.actual_tokens_remaining,
    }),
  );

const JobPage = z.object({ jobs: z.array(Job.pick({ id: true })), next_cursor: z.string().nullable() });

/** Every job of the account, with what it was billed. */
export async function allJobs({ quiet: tenant }: Client): Promise<Job[]> {
  const ids: string[] = [];
  for (let cursor = ''; ; ) {
    const page = await tenant.get(`/api/jobs?limit=100${cursor}`, JobPage);
    ids.push(...page.jobs.map(({ id }) => id));
    if (page.next_cursor === null) break;
    cursor = `&cursor=${page.next_cursor}`;
  }
  return Promise.all(ids.map((id) => tenant.ended(id)));
}

export const sumOf = (jobs: Pick<Job, 'tokens_consumed'>[]): number =>
  jobs.reduce((total, { tokens_consumed }) => total + tokens_consumed, 0);

/** What is left, as the page about the subscription says. */
export async function remainingTokens({ quiet: tenant }: Client): Promise<number> {
  return (await tenant.get('/api/billing/subscription', z.object({ tokens_remaining: z.int() }))).tokens_remaining;
}
