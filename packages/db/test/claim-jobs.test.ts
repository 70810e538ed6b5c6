import { newId } from '@tally/core';
import { afterAll, expect, it } from 'vitest';
import { newAccount, newBilling, newConfig } from '../../../test/harness/tally.ts';
import { claimJobs, nextDispatches, submitJobs } from '../src/index.ts';

const { db } = await newBilling(await newConfig(), afterAll);
const leaseMs = 8_000;

async function submitOne(question: string): Promise<{ jobId: string; accountId: string }> {
  const { accountId } = await newAccount({ db }, { tokens: 1_000 });
  const jobId = newId();
  await submitJobs(db, [
    { id: jobId, accountId, task: 'ask-question', inputJson: JSON.stringify({ question }), minTokens: 1 },
  ]);
  return { jobId, accountId };
}

it('an older copy of a job beside the latest, as after its worker died, is answered as stale and shifts nobody’s answer', async () => {
  const twice = await submitOne('twice');
  const other = await submitOne('other');
  await nextDispatches(db, [twice.jobId]);
  const claims = await claimJobs(db, [
    { jobId: twice.jobId, dispatch: 1, leaseMs },
    { jobId: twice.jobId, dispatch: 2, leaseMs },
    { jobId: other.jobId, dispatch: 1, leaseMs },
  ]);
  expect(claims).toMatchObject([
    { verdict: 'stale' },
    { verdict: 'claimed', accountId: twice.accountId, input: { question: 'twice' } },
    { verdict: 'claimed', accountId: other.accountId, input: { question: 'other' } },
  ]);
});

it('the same copy of a job that comes twice at once is given to one', async () => {
  const { jobId } = await submitOne('once');
  const request = { jobId, dispatch: 1, leaseMs };
  const claims = await claimJobs(db, [request, request]);
  expect(claims).toMatchObject([{ verdict: 'claimed', fence: 1 }, { verdict: 'not_yet' }]);
});
