import { newId } from '@tally/core';
import { newAccount } from '@tally/testing';
import { newBilling, newConfig } from '@tally/testing/vitest';
import { afterAll, describe, expect, it } from 'vitest';
import { type Claim, type ClaimRequest, claimJobs, nextDispatches, settle, submitJobs } from '../src/index.ts';

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

const requestFor = (jobId: string, dispatch = 1): ClaimRequest => ({ claimId: newId(), jobId, dispatch, leaseMs });

async function claim(request: ClaimRequest): Promise<Claim | undefined> {
  const [answer] = await claimJobs(db, [request]);
  return answer;
}

it('answers an older copy beside the latest as stale, in order', async () => {
  const twice = await submitOne('twice');
  const other = await submitOne('other');
  await nextDispatches(db, [twice.jobId]);
  const claims = await claimJobs(db, [requestFor(twice.jobId), requestFor(twice.jobId, 2), requestFor(other.jobId)]);
  expect(claims).toMatchObject([
    { verdict: 'stale' },
    { verdict: 'claimed', accountId: twice.accountId, input: { question: 'twice' } },
    { verdict: 'claimed', accountId: other.accountId, input: { question: 'other' } },
  ]);
});

it('gives a copy that comes twice at once to one claim', async () => {
  const { jobId } = await submitOne('once');
  const claims = await claimJobs(db, [requestFor(jobId), requestFor(jobId)]);
  expect(claims).toMatchObject([{ verdict: 'claimed', fence: 1 }, { verdict: 'not_yet' }]);
});

describe('a claim whose answer was lost', () => {
  it('is found by its repetition, and counts as one attempt', async () => {
    const { jobId, accountId } = await submitOne('lost');
    const request = requestFor(jobId);
    await claim(request);
    const again = { verdict: 'claimed', fence: 1, attempts: 1, accountId, input: { question: 'lost' } };
    expect(await claim(request)).toMatchObject(again);
    expect(await claimJobs(db, [requestFor(jobId), request])).toMatchObject([{ verdict: 'not_yet' }, again]);
  });

  it('is kept after the lease expired, while no other claim took the job', async () => {
    const { jobId } = await submitOne('late');
    const request = requestFor(jobId);
    await claim({ ...request, leaseMs: 0 });
    expect(await claim(request)).toMatchObject({ verdict: 'claimed', fence: 1, attempts: 1 });
    expect(await claim(requestFor(jobId))).toMatchObject({ verdict: 'not_yet' });
  });

  it('is lost to a later claim', async () => {
    const { jobId } = await submitOne('taken');
    const request = requestFor(jobId);
    await claim({ ...request, leaseMs: 0 });
    expect(await claim(requestFor(jobId))).toMatchObject({ verdict: 'claimed', fence: 2, attempts: 2 });
    expect(await claim(request)).toMatchObject({ verdict: 'not_yet' });
  });

  it('is lost to a later claim of an earlier release, which has no key', async () => {
    const { jobId } = await submitOne('old');
    const request = requestFor(jobId);
    await claim(request);
    await db.pool.query('update jobs set fence = fence + 1, attempts = attempts + 1 where id = $1', [jobId]);
    expect(await claim(request)).toMatchObject({ verdict: 'not_yet' });
  });

  it('ends when the job moves on', async () => {
    const { jobId } = await submitOne('moved');
    const request = requestFor(jobId);
    await claim(request);
    await settle(db, [{ move: { jobId, fence: 1, status: 'queued', delayMs: 60_000 } }]);
    expect(await claim(request)).toMatchObject({ verdict: 'not_yet' });
    await db.pool.query('update jobs set run_after = now() where id = $1', [jobId]);
    expect(await claim(request)).toMatchObject({ verdict: 'claimed', fence: 2, attempts: 2 });
  });
});

it('tells only the latest of two attempts in a batch that it moved the job', async () => {
  const { jobId } = await submitOne('overtaken');
  await claim({ ...requestFor(jobId), leaseMs: 0 });
  await claim(requestFor(jobId));
  const outcomes = await settle(db, [
    { move: { jobId, fence: 1, status: 'failed', errorCode: 'internal' } },
    { move: { jobId, fence: 2, status: 'completed', result: {} } },
  ]);
  expect(outcomes).toMatchObject([{ moved: false }, { moved: true }]);
  const { rows } = await db.pool.query('select status from jobs where id = $1', [jobId]);
  expect(rows).toEqual([{ status: 'completed' }]);
});
