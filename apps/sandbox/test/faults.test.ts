import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { countTokens } from '../src/model/tokens.ts';
import { model, useSandbox } from './fixture.ts';

const { ask, askWith, client, control, sandbox, url } = useSandbox();
const lastEntry = () => sandbox.book.list().at(-1);

const raw = (fault: string, signal?: AbortSignal): Promise<Response> =>
  fetch(`${url()}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'x-sandbox-fault': fault },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello?' }] }),
    ...(signal ? { signal } : {}),
  });

async function msOf(work: Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work;
  return performance.now() - startedAt;
}

describe('an error on demand', () => {
  test.each([
    ['rate_limit', 429, 'rate_limit_exceeded'],
    ['server_error', 500, null],
    ['unavailable', 503, 'service_unavailable'],
    ['bad_request', 400, null],
    ['unauthorized', 401, 'invalid_api_key'],
    ['context_length', 400, 'context_length_exceeded'],
  ])('is what the client makes of %s', async (kind, status, code) => {
    await expect(askWith(kind)).rejects.toBeInstanceOf(OpenAI.APIError);
    await expect(askWith(kind)).rejects.toMatchObject({ status, code });
    expect(lastEntry()).toMatchObject({ fault: kind, status, outcome: 'error', total_tokens: 0, aborted: false });
  });

  test('says when to come back', async () => {
    const seconds = await raw('rate_limit; retry_after_s=7');
    expect(seconds.headers.get('retry-after')).toBe('7');
    const ms = await raw('unavailable;retry-after-ms=150');
    expect(ms.headers.get('retry-after-ms')).toBe('150');
  });

  test('passes, so that the retry of a client succeeds', async () => {
    sandbox.faults.set([{ kind: 'rate_limit', times: 2, retry_after_ms: 1 }]);
    const patient = new OpenAI({ apiKey: 'any', baseURL: `${url()}/v1`, maxRetries: 3 });
    await patient.chat.completions.create({ model, messages: [{ role: 'user', content: 'Hello?' }] });
    expect(sandbox.book.list().map(({ status }) => status)).toEqual([429, 429, 200]);
  });
});

describe('a late answer', () => {
  test('comes after the delay of slow', async () => {
    expect(await msOf(askWith('slow;delay_ms=60'))).toBeGreaterThan(55);
    expect(lastEntry()).toMatchObject({ fault: 'slow', status: 200, outcome: 'answered' });
  });

  test('sends its headers before the body with first_byte_delay_ms', async () => {
    const startedAt = performance.now();
    const answer = await raw('no_usage;first_byte_delay_ms=80');
    const headersMs = performance.now() - startedAt;
    await answer.json();
    expect(performance.now() - startedAt - headersMs).toBeGreaterThan(40);
  });

  test('drips', async () => {
    expect(await msOf(askWith('drip;drip_bytes=50;drip_interval_ms=10'))).toBeGreaterThan(70);
    expect(lastEntry()).toMatchObject({ outcome: 'answered' });
  });

  test.each(['hang', 'drip', 'slow'])('is written down as aborted when the client tires of %s', async (kind) => {
    const asked = client({ 'x-sandbox-fault': kind }).chat.completions.create(
      { model, messages: [{ role: 'user', content: 'Hello?' }] },
      { timeout: 60 },
    );
    await expect(asked).rejects.toBeInstanceOf(OpenAI.APIConnectionTimeoutError);
    await expect.poll(lastEntry).toMatchObject({ outcome: 'aborted', aborted: true });
    expect(lastEntry()?.status).toBe({ hang: 'hang', drip: 200, slow: null }[kind]);
    expect(sandbox.book.totals()).toMatchObject({ requests: 1, answered: 0, total_tokens: 0 });
  });
});

describe('a broken connection', () => {
  test('breaks before any byte', async () => {
    await expect(askWith('reset')).rejects.toBeInstanceOf(OpenAI.APIConnectionError);
    await expect.poll(lastEntry).toMatchObject({ status: 'reset', outcome: 'reset', aborted: false });
  });

  test('breaks after the headers', async () => {
    const answer = await raw('reset;after_headers=true');
    expect(answer.status).toBe(200);
    await expect(answer.text()).rejects.toThrow();
    await expect.poll(lastEntry).toMatchObject({ status: 'reset', outcome: 'reset' });
  });
});

describe('an answer that is none', () => {
  test('is a page', async () => {
    const answer = await raw('html');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('text/html');
    expect(lastEntry()).toMatchObject({ outcome: 'garbled', total_tokens: 0 });
  });

  test('is half a document', async () => {
    const answer = await raw('invalid_json');
    expect(answer.headers.get('content-type')).toBe('application/json');
    await expect(answer.json()).rejects.toThrow(SyntaxError);
    expect(lastEntry()).toMatchObject({ outcome: 'garbled', status: 200 });
  });

  test('has no choices', async () => {
    expect((await askWith('empty_choices')).choices).toEqual([]);
  });

  test('does not fit the schema', async () => {
    const schema = { type: 'object', properties: { answer: { type: 'string' } } };
    const { choices } = await askWith('wrong_schema', {
      response_format: { type: 'json_schema', json_schema: { name: 'reply', schema } },
    });
    expect(Array.isArray(JSON.parse(choices[0]?.message.content ?? ''))).toBe(true);
  });

  test('is a refusal that still costs tokens', async () => {
    const { choices, usage } = await askWith('refusal');
    expect(choices[0]?.message).toMatchObject({ content: null, refusal: expect.any(String) });
    expect(usage?.completion_tokens).toBe(countTokens(choices[0]?.message.refusal ?? ''));
  });

  test('is filtered', async () => {
    expect((await askWith('content_filter')).choices[0]?.finish_reason).toBe('content_filter');
  });

  test('is cut short', async () => {
    const { choices, usage } = await askWith('length;tokens=2');
    expect(choices[0]?.finish_reason).toBe('length');
    expect(usage?.completion_tokens).toBe(2);
  });
});

describe('usage', () => {
  test('can be missing, while the book knows it', async () => {
    expect((await askWith('no_usage')).usage).toBeUndefined();
    expect(lastEntry()).toMatchObject({ prompt_tokens: 11, outcome: 'answered' });
  });

  test.each([
    ['negative', -10],
    ['fractional', 10.5],
    ['huge', 1e15 + 10],
    ['strings', '10'],
  ])('can be %s', async (usage, prompt) => {
    sandbox.faults.set([{ kind: 'absurd_usage', usage: usage as 'huge' }]);
    expect((await ask('Hi you?')).usage?.prompt_tokens).toBe(prompt);
    expect(lastEntry()).toMatchObject({ prompt_tokens: 10 });
  });

  test('can honestly be more than was allowed', async () => {
    const { choices, usage } = await askWith('over_limit;tokens=25', { max_completion_tokens: 50 });
    expect(usage?.completion_tokens).toBe(75);
    expect(countTokens(choices[0]?.message.content ?? '')).toBe(75);
    expect(choices[0]?.finish_reason).toBe('stop');
  });
});

describe('a rule', () => {
  test('concerns one user only', async () => {
    await control('PUT', 'faults', { rules: [{ kind: 'server_error', match: { user: 'ann' } }] });
    await expect(ask('Hello?', { user: 'ann' })).rejects.toMatchObject({ status: 500 });
    await expect(ask('Hello?', { metadata: { account_id: 'ann' } })).rejects.toMatchObject({ status: 500 });
    await ask('Hello?', { user: 'bob' });
  });

  test('concerns one text only, and ends after its turns', async () => {
    await control('PUT', 'faults', { rules: [{ kind: 'server_error', times: 1, match: { contains: 'poison' } }] });
    await ask('Hello?');
    await expect(ask('poisoned')).rejects.toMatchObject({ status: 500 });
    await ask('poisoned');
    expect(await control('GET', 'faults')).toMatchObject({ rules: [{ kind: 'server_error', used: 1 }] });
  });

  test('draws the same lots from the same seed', async () => {
    const draw = async (): Promise<(number | string | null)[]> => {
      sandbox.book.clear();
      await control('PUT', 'faults', { rules: [{ kind: 'bad_request', probability: 0.5, seed: 7 }] });
      for (let turn = 0; turn < 20; turn += 1) await ask('Hello?').catch(() => undefined);
      return sandbox.book.list().map(({ status }) => status);
    };
    const statuses = await draw();
    expect(new Set(statuses)).toEqual(new Set([200, 400]));
    expect(await draw()).toEqual(statuses);
  });

  test('is gone after DELETE', async () => {
    await control('PUT', 'faults', { rules: [{ kind: 'server_error' }] });
    await control('DELETE', 'faults');
    await ask('Hello?');
  });

  test('that nobody knows is refused', async () => {
    const answer = await fetch(`${url()}/sandbox/faults`, { method: 'PUT', body: '{"rules":[{"kind":"flood"}]}' });
    expect(answer.status).toBe(400);
    await expect(askWith('flood')).rejects.toMatchObject({ status: 400 });
    await expect(askWith('slow;delay=5')).rejects.toMatchObject({ status: 400 });
  });
});
