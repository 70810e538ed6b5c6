import { until } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';

const { call, newPerson, poll, sandbox, submit } = await startPlatform();

type Page = {
  jobs: { id: string; status: string; created_at: string; finished_at: string | null }[];
  next_cursor: string | null;
};

describe('GET /api/jobs', () => {
  const listAll = async (token: string, query: string): Promise<Page['jobs']> => {
    const all: Page['jobs'] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const after: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const { status, body } = await call<Page>('GET', `/api/jobs?${query}${after}`, { token });
      expect(status).toBe(200);
      all.push(...body.jobs);
      cursor = body.next_cursor;
    }
    return all;
  };

  it('pages from newest to oldest, also while jobs arrive', async () => {
    const { token } = await newPerson({ tokens: 100_000 });
    const ids: string[] = [];
    for (let i = 0; i < 25; i++) ids.push(await submit(token, `Question ${i}?`));
    for (const limit of [7, 25, 100])
      expect((await listAll(token, `limit=${limit}`)).map(({ id }) => id)).toEqual(ids.toReversed());
    const first = await call<Page>('GET', '/api/jobs?limit=10', { token });
    await submit(token, 'One more in between?');
    const second = await call<Page>('GET', `/api/jobs?limit=10&cursor=${first.body.next_cursor}`, { token });
    const seen = [...first.body.jobs, ...second.body.jobs].map(({ id }) => id);
    expect(seen).toEqual(ids.toReversed().slice(0, 20));
  });

  it('omits result, progress and cost', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const id = await submit(token, 'What am I?');
    const job = await poll(token, id);
    const { body } = await call<Page>('GET', '/api/jobs', { token });
    const { result: _r, progress: _p, tokens_consumed: _t, ...summary } = job;
    expect(body).toEqual({ success: true, jobs: [summary], next_cursor: null });
  });

  it('filters by status', async () => {
    const { token } = await newPerson({ tokens: 500 });
    // 500 tokens pay for the short question and not for the long one.
    const done = await submit(token, 'Short?');
    await poll(token, done);
    const rejected = await submit(token, '¶·'.repeat(1_000));
    await poll(token, rejected);
    expect((await listAll(token, 'status=completed')).map(({ id }) => id)).toEqual([done]);
    expect((await listAll(token, 'status=rejected')).map(({ id }) => id)).toEqual([rejected]);
    expect(await listAll(token, 'status=failed')).toEqual([]);
  });

  it('returns only the account’s own jobs', async () => {
    const [mine, theirs] = [await newPerson({ tokens: 10_000 }), await newPerson({ tokens: 10_000 })];
    const id = await submit(theirs.token, 'Whose?');
    expect(await listAll(mine.token, 'limit=10')).toEqual([]);
    expect(await listAll(mine.token, `cursor=ffffffff-ffff-7fff-bfff-ffffffffffff&limit=10`)).toEqual([]);
    expect((await listAll(theirs.token, 'limit=10')).map((job) => job.id)).toEqual([id]);
  });
});

describe('a job', () => {
  it('is running while the model works, with its times', async () => {
    const { accountId, token } = await newPerson({ tokens: 10_000 });
    sandbox.faults.set([{ kind: 'slow', delay_ms: 700, match: { user: accountId } }]);
    onTestFinished(() => sandbox.faults.clear());
    const id = await submit(token, 'Running?');
    const read = async () =>
      (await call<{ job: Record<string, unknown> }>('GET', `/api/jobs/${id}`, { token })).body.job;
    await until(async () => (await read()).status === 'running');
    expect(await read()).toMatchObject({ started_at: expect.any(String), finished_at: null, result: null });
    const job = await poll(token, id);
    const times = [job.created_at, job.started_at, job.finished_at].map((at) => Date.parse(at ?? ''));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it('that fails for good has an error code and costs nothing', async () => {
    const { accountId, token } = await newPerson({ tokens: 10_000 });
    sandbox.faults.set([{ kind: 'bad_request', match: { user: accountId } }]);
    onTestFinished(() => sandbox.faults.clear());
    const job = await poll(token, await submit(token, 'Will it fail?'));
    expect(job).toMatchObject({
      status: 'failed',
      result: null,
      tokens_consumed: 0,
      error_code: 'model_request_rejected',
    });
    expect(job.error).toEqual(expect.any(String));
  });
});
