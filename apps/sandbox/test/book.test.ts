import { describe, expect, test } from 'vitest';
import { createBook } from '../src/book.ts';
import { model, useSandbox } from './fixture.ts';

const { ask, client, control, sandbox } = useSandbox();

describe('the book', () => {
  test('has every request by the id that its client saw', async () => {
    const { data, request_id } = await client({ 'x-client-request-id': 'hold-1' })
      .chat.completions.create({
        model,
        messages: [{ role: 'user', content: 'Hello?' }],
        user: 'ann',
        metadata: { job_id: 'job-1' },
      })
      .withResponse();
    expect(await control('GET', 'book?user=ann')).toEqual({
      entries: [
        {
          seq: expect.any(Number),
          id: data.id,
          request_id,
          at: expect.any(String),
          dialect: 'openai',
          model,
          user: 'ann',
          metadata: { job_id: 'job-1' },
          key: 'hold-1',
          fault: null,
          prompt_tokens: data.usage?.prompt_tokens,
          cached_tokens: 0,
          completion_tokens: data.usage?.completion_tokens,
          reasoning_tokens: 0,
          total_tokens: data.usage?.total_tokens,
          status: 200,
          outcome: 'answered',
          aborted: false,
          duration_ms: expect.any(Number),
        },
      ],
      totals: {
        requests: 1,
        answered: 1,
        prompt_tokens: data.usage?.prompt_tokens,
        cached_tokens: 0,
        completion_tokens: data.usage?.completion_tokens,
        reasoning_tokens: 0,
        total_tokens: data.usage?.total_tokens,
      },
      next_after: null,
    });
  });

  test('adds up what the answers said, by user', async () => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, turn) => ask(`Hello number ${turn}?`, { user: turn % 2 ? 'ann' : 'bob' })),
    );
    const sum = (user: number): number =>
      answers
        .filter((_, turn) => turn % 2 === user)
        .reduce((total, { usage }) => total + (usage?.total_tokens ?? 0), 0);
    expect(await control('GET', 'book/totals')).toMatchObject({
      totals: { requests: 40, answered: 40, total_tokens: sum(0) + sum(1) },
      users: { ann: { requests: 20, total_tokens: sum(1) }, bob: { requests: 20, total_tokens: sum(0) } },
    });
  });

  test('comes in pages', async () => {
    for (let turn = 0; turn < 5; turn += 1) await ask(`Hello number ${turn}?`);
    const ids = sandbox.book.list().map(({ id }) => id);
    const first = (await control('GET', 'book?limit=3')) as { entries: { id: string }[]; next_after: number };
    const rest = (await control('GET', `book?limit=3&after=${first.next_after}`)) as typeof first;
    expect([...first.entries, ...rest.entries].map(({ id }) => id)).toEqual(ids);
    expect(rest.next_after).toBeNull();
  });

  test('shows a request that is being served as open', async () => {
    const leave = new AbortController();
    const asked = client({ 'x-sandbox-fault': 'hang' })
      .chat.completions.create({ model, messages: [{ role: 'user', content: 'Hello?' }] }, { signal: leave.signal })
      .catch(() => undefined);
    await expect.poll(() => sandbox.book.list()).toMatchObject([{ outcome: 'open', status: 'hang' }]);
    leave.abort();
    await asked;
    await expect.poll(() => sandbox.book.list()).toMatchObject([{ outcome: 'aborted', aborted: true }]);
  });

  test('is empty after DELETE', async () => {
    await ask('Hello?', { user: 'ann' });
    await control('DELETE', 'book');
    expect(await control('GET', 'book')).toMatchObject({ entries: [], totals: { requests: 0, total_tokens: 0 } });
    expect(await control('GET', 'book/totals')).toMatchObject({ users: {} });
  });
});

describe('a full book', () => {
  const entry = { id: 'a', request_id: 'b', dialect: 'openai' as const, model, user: 'ann', metadata: null, key: null };

  test('forgets its oldest entries but not what they cost', () => {
    const book = createBook(10);
    for (let turn = 0; turn < 25; turn += 1) {
      const opened = book.open(entry);
      opened.total_tokens = 2;
      book.close(opened, { status: 200, outcome: 'answered', aborted: false });
    }
    expect(book.list().map(({ seq }) => seq)).toEqual([16, 17, 18, 19, 20, 21, 22, 23, 24, 25]);
    expect(book.totals('ann')).toMatchObject({ requests: 25, answered: 25, total_tokens: 50 });
  });

  test('ignores the end of what was cleared away', () => {
    const book = createBook();
    const opened = book.open(entry);
    book.clear();
    book.close(opened, { status: 200, outcome: 'answered', aborted: false });
    expect(book.totals()).toMatchObject({ requests: 0, answered: 0 });
    expect(book.list()).toEqual([]);
  });
});
