/** What Tally billed is what the model itself says that it served. */
import { z } from 'zod';
import { expectEqual } from '../expect.ts';
import type { Cast } from '../story.ts';
import { count, tokensOf } from '../text.ts';
import { allJobs, sumOf } from '../usage.ts';

const Profile = z.object({ id: z.string() });
const Book = z.object({ users: z.record(z.string(), z.object({ answered: z.int(), total_tokens: z.int() })) });
const Days = z.object({ usage: z.array(z.object({ calls: z.int(), tokens_billed: z.int() })) });

export async function closeBooks({ screen, tenant, sandbox }: Cast): Promise<void> {
  screen.chapter(
    'The books agree',
    'The stand-in model keeps a book of its own, of which Tally knows nothing: every call it answered, for whom, and what ' +
      'that took.',
  );
  const jobs = await allJobs(tenant);
  const { id } = await tenant.quiet.get('/api/accounts/profile', Profile);
  const { usage } = await tenant.quiet.get('/api/billing/usage', Days);
  const { users } = await sandbox.get('/sandbox/book/totals', Book);
  const book = users[id];
  const billed = usage.reduce((total, { tokens_billed }) => total + tokens_billed, 0);
  const calls = usage.reduce((total, row) => total + row.calls, 0);
  expectEqual('The tokens of all jobs, against the usage by day', sumOf(jobs), billed);
  const billing = { answered: calls, total_tokens: billed };
  expectEqual('The model’s book, against what was billed', book, billing);
  screen.answer(`${count(calls)} calls answered, ${tokensOf(billed)}`);
  screen.note(
    `${count(jobs.length)} jobs, ${count(calls)} model calls, ${tokensOf(billed)} billed: the model’s book says exactly ` +
      'the same.',
  );
  screen.note('Where to go next: `npm start` runs all of this for you, README.md has the first request, and');
  screen.note('ARCHITECTURE.md follows one question from the request to the row in the ledger.');
}
