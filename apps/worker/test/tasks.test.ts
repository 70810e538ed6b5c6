import type { Body } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, test } from 'vitest';

const platform = await startPlatform();
const { call, run, newPerson } = platform;

type Pairs = { pairs: { id: string; question: string; answer: string }[]; dropped: number };

describe('prompt enhancement', () => {
  test('stores each result as the current prompt version', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const path = '/api/web-knowledge/generate-prompt';

    const first = await run<{ prompt: string; version: number }>(token, path, {
      prompt: 'be nice, no discounts',
      business: { city: 'Lisbon', sells: 'lamps' },
    });
    expect(first).toMatchObject({ status: 'completed', result: { version: 1 } });
    expect(first.result?.prompt).toContain('no discounts');
    expect(first.tokens_consumed).toBeGreaterThan(0);

    const written = await call('PUT', '/api/prompt', { token, body: { text: 'Answer in one sentence.' } });
    expect(written.body).toMatchObject({ prompt: { version: 2, origin: 'owner' } });
    const { body } = await call<{ versions: Body[] }>('GET', '/api/prompt', { token });
    expect(body).toMatchObject({ prompt: { version: 2 }, versions: [{ version: 2 }, { version: 1 }] });
  });
});

describe('product Q&A', () => {
  const text = 'The Aurora desk lamp costs 129 EUR. It has a guarantee of 5 years. The arm reaches 62 cm.';

  test('writes pairs from the text, and no question twice', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const first = await run<Pairs>(token, '/api/web-knowledge/generate-qa', { text, count: 3 });
    expect(first.status).toBe('completed');
    expect(first.result?.pairs.length).toBeGreaterThan(0);

    await run<Pairs>(token, '/api/web-knowledge/generate-qa', { text, count: 3 });
    const { body } = await call<{ qa: { question: string }[] }>('GET', '/api/qa', { token });
    const questions = body.qa.map(({ question }) => question.toLowerCase());
    expect(new Set(questions).size).toBe(questions.length);
  });

  test('is used for answers, with the owner’s corrections', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const { result } = await run<Pairs>(token, '/api/web-knowledge/generate-qa', { text, count: 1 });
    const pair = result?.pairs[0];
    if (pair === undefined) throw new Error('no pair was written');

    await call('PATCH', `/api/qa/${pair.id}`, {
      token,
      body: { question: 'How much is the Aurora lamp?', answer: 'The Aurora lamp is 99 EUR this week.' },
    });
    const job = await platform.ask(token, 'How much is the Aurora lamp?');
    expect(job.result).toMatchObject({ known: true, sources: [{ kind: 'qa', id: pair.id }] });
    expect(job.result?.answer).toContain('99 EUR');
  });
});

describe('customer chat', () => {
  const send = (token: string, customer: string, message: string) =>
    run<{ conversation_id: string; reply: string | null; silent: string | null }>(token, '/api/chat/messages', {
      customer,
      text: message,
    });

  test('answers from the knowledge base and stores the conversation', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    await call('POST', '/api/knowledge', {
      token,
      body: { title: 'Returns', text: 'You have 30 days to return a lamp.' },
    });
    const job = await send(token, 'anna', 'How many days do I have to return a lamp?');
    expect(job.result?.reply).toContain('30 days');

    const { body } = await call<{ messages: Body[] }>('GET', `/api/chat/conversations/${job.result?.conversation_id}`, {
      token,
    });
    expect(body).toMatchObject({
      conversation: { customer: 'anna', channel: 'api', paused: false },
      messages: [{ role: 'customer' }, { role: 'assistant' }],
    });
  });

  test('sends one reply to messages in quick succession', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const jobs = await Promise.all(
      ['hi', 'do you have', 'the blue one', 'in size 38', '?'].map((message) => send(token, 'quick', message)),
    );
    expect(new Set(jobs.map(({ status }) => status))).toEqual(new Set(['completed']));
    expect(new Set(jobs.map(({ result }) => result?.reply)).size).toBe(1);
    expect(jobs.filter(({ tokens_consumed }) => tokens_consumed > 0)).toHaveLength(1);
    expect(new Set(jobs.map(({ result }) => result?.conversation_id)).size).toBe(1);
  });

  test('is silent while paused for a human, and resumes afterwards', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const first = await send(token, 'bea', 'Hello there');
    const id = first.result?.conversation_id;
    expect((await call('POST', `/api/chat/conversations/${id}/pause`, { token })).body).toMatchObject({
      conversation: { paused: true },
    });
    const unanswered = await send(token, 'bea', 'Are you there?');
    expect(unanswered).toMatchObject({
      status: 'completed',
      tokens_consumed: 0,
      result: { reply: null, silent: 'paused' },
    });
    await call('POST', `/api/chat/conversations/${id}/messages`, { token, body: { text: 'Yes, Marta here.' } });
    await call('POST', `/api/chat/conversations/${id}/resume`, { token });
    const answered = await send(token, 'bea', 'Thanks!');
    expect(answered.result?.reply).toEqual(expect.any(String));
    const { body } = await call<{ messages: { role: string }[] }>('GET', `/api/chat/conversations/${id}`, { token });
    expect(body.messages.map(({ role }) => role)).toEqual([
      'customer',
      'assistant',
      'customer',
      'human',
      'customer',
      'assistant',
    ]);
  });
});
