/** Every page shows the same count, and it is what the jobs add up to. */
import { z } from 'zod';
import { expectEqual } from '../expect.ts';
import type { Cast } from '../story.ts';
import { AiUsage, allJobs, sumOf, type Usage } from '../usage.ts';

/** Each page with where it keeps its numbers. */
const pages: Record<string, z.ZodType<Usage>> = {
  'accounts/overview': z
    .object({ current_subscription: z.object({ ai_usage: AiUsage }) })
    .transform(({ current_subscription }) => current_subscription.ai_usage),
  'billing/overview': z
    .object({ ai_tokens_total: z.int(), original_tokens_included: z.int(), actual_tokens_remaining: z.int() })
    .transform(({ ai_tokens_total, original_tokens_included, actual_tokens_remaining }) => ({
      consumed: ai_tokens_total,
      included: original_tokens_included,
      remaining: actual_tokens_remaining,
    })),
  'billing/subscription': z.object({ ai_usage: AiUsage }).transform(({ ai_usage }) => ai_usage),
  'billing/plans': z.object({ current: z.object({ ai_usage: AiUsage }) }).transform(({ current }) => current.ai_usage),
};

export async function compareCounts({ screen, tenant }: Cast): Promise<void> {
  screen.chapter(
    'Every page shows the same count',
    'A call’s tokens are settled in the transaction that stores its answer, and every page reads that one balance. So no ' +
      'page is ahead of another, and all of them are what the jobs add up to.',
  );
  const jobs = await allJobs(tenant);
  const consumed = sumOf(jobs);
  const writeRow = screen.table([
    { title: 'GET /api/…', width: 42 },
    { title: 'consumed', width: 10, side: 'right' },
    { title: 'included', width: 10, side: 'right' },
    { title: 'remaining', width: 10, side: 'right' },
  ]);
  const shown: Usage[] = [];
  for (const [path, shape] of Object.entries(pages)) {
    const usage = await tenant.quiet.get(`/api/${path}`, shape);
    shown.push(usage);
    writeRow([path, usage.consumed, usage.included, usage.remaining]);
  }
  writeRow([`jobs: tokens_consumed of all ${jobs.length} of them`, consumed, '', '']);
  for (const [i, usage] of shown.entries()) {
    const page = Object.keys(pages)[i];
    expectEqual(`What ${page} shows as consumed, against the sum of all jobs`, usage.consumed, consumed);
    expectEqual(`What ${page} shows, against the first page`, usage, shown[0]);
    expectEqual(`Included less consumed, on ${page}`, usage.included - usage.consumed, usage.remaining);
  }
}
