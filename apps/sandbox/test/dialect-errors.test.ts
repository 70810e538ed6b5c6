/** How each dialect of the stand-in model refuses, for one call and for a phase. */
import { describe, expect, test } from 'vitest';
import { type DialectName, errorKinds } from '../src/model/dialects/dialect.ts';
import { dialects } from '../src/model/dialects/dialects.ts';
import { model, useSandbox } from './fixture.ts';

const { sandbox, url, control } = useSandbox();
const names = dialects.map(({ name }) => name);
const lastEntry = () => sandbox.book.list().at(-1);

const post = (name: DialectName, more: object = {}, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${url()}${dialects.find((dialect) => dialect.name === name)?.basePath}/chat/completions`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'How are you?' }], ...more }),
  });

describe('an error', () => {
  const forms: Record<DialectName, (body: never) => unknown> = {
    openai: (body: { error: { message: string } }) => body.error.message,
    xai: (body: { code: string; error: string }) => body.code && body.error,
    google: (body: { error: { code: number; status: string; message: string } }[]) =>
      body[0]?.error.status && body[0].error.message,
    ollama: (body: { error: { message: string } }) => body.error.message,
    deepseek: (body: { error: { message: string } }) => body.error.message,
  };

  test.each(names)('of every kind has the form of %s', async (name) => {
    const dialect = dialects.find((one) => one.name === name);
    for (const kind of errorKinds) {
      const response = await post(name, {}, { 'x-sandbox-fault': kind });
      expect(response.status, kind).toBe(dialect?.errors[kind].status);
      const message = forms[name]((await response.json()) as never);
      expect(message, kind).toEqual(expect.stringMatching(/^[^{}]+$/));
      expect(lastEntry()).toMatchObject({ outcome: 'error', fault: kind, total_tokens: 0 });
    }
  });

  test.each<[string, Record<DialectName, number>]>([
    ['unauthorized', { openai: 401, xai: 400, google: 400, ollama: 401, deepseek: 401 }],
    ['unpaid', { openai: 429, xai: 403, google: 403, ollama: 403, deepseek: 402 }],
    ['unknown_model', { openai: 404, xai: 404, google: 404, ollama: 404, deepseek: 400 }],
    ['rate_limit', { openai: 429, xai: 429, google: 429, ollama: 503, deepseek: 429 }],
    ['content_refused', { openai: 400, xai: 403, google: 200, ollama: 200, deepseek: 400 }],
  ])('for %s has the status of each provider', async (kind, statuses) => {
    for (const name of names)
      expect((await post(name, {}, { 'x-sandbox-fault': kind })).status, name).toBe(statuses[name]);
  });

  test('names the model, and the tokens of too long input', async () => {
    const unknown = await post('ollama', { model: 'llama9' }, { 'x-sandbox-fault': 'unknown_model' });
    expect(await unknown.text()).toContain('model \\"llama9\\" not found');
    const long = await post('xai', { messages: [{ role: 'user', content: 'word '.repeat(131_100) }] });
    expect([long.status, await long.text()]).toEqual([
      400,
      expect.stringMatching(/maximum prompt length is 131072 but the request contains 1311\d\d tokens/),
    ]);
  });

  test('has the status that a fault sets', async () => {
    expect((await post('openai', {}, { 'x-sandbox-fault': 'unpaid; status=402' })).status).toBe(402);
  });

  test('has Retry-After, and Google’s retryDelay', async () => {
    const response = await post('google', {}, { 'x-sandbox-fault': 'rate_limit; retry_after_s=7' });
    expect(response.headers.get('retry-after')).toBe('7');
    expect(await response.json()).toMatchObject([{ error: { details: [{ retryDelay: '7s' }] } }]);
  });
});

describe('refused content', () => {
  test('is a finish reason at Google and plain text at Ollama', async () => {
    sandbox.faults.set([{ kind: 'content_refused' }]);
    expect(await (await post('google')).json()).toMatchObject({
      choices: [{ index: 0, finish_reason: 'content_filter: PROHIBITED_CONTENT' }],
      usage: { prompt_tokens: 11, completion_tokens: 0, total_tokens: 11 },
    });
    expect(await (await post('ollama')).text()).toContain("I can't help");
  });
});

describe('a sandbox with a key', () => {
  const guarded = useSandbox({ apiKey: 'sk-right' });

  test.each(dialects)('refuses a wrong one in the form of $name', async ({ basePath, errors }) => {
    const headers = { authorization: 'Bearer sk-wrong' };
    for (const init of [{ path: 'chat/completions', method: 'POST', body: '{}' }, { path: 'models' }]) {
      const { path, ...rest } = init;
      const response = await fetch(`${guarded.url()}${basePath}/${path}`, { ...rest, headers });
      expect([response.status, await response.text()]).toEqual([
        errors.unauthorized.status,
        expect.stringContaining(errors.unauthorized.message),
      ]);
    }
  });
});

describe('a phase', () => {
  test('of a rate limit lets so many calls a second through', async () => {
    await control('PUT', 'faults', { rules: [{ kind: 'rate_limit', allow_per_second: 2 }] });
    const responses = await Promise.all(Array.from({ length: 6 }, () => post('openai')));
    const limited = responses.filter(({ status }) => status === 429);
    expect(limited).toHaveLength(4);
    for (const { headers } of limited) expect(headers.get('retry-after')).toBe('1');
    await expect.poll(async () => (await post('openai')).status, { timeout: 5_000 }).toBe(200);
  });

  test.each(['unauthorized', 'unpaid', 'forbidden', 'unknown_model'])(
    'of %s lasts until its rule is deleted',
    async (kind) => {
      await control('PUT', 'faults', { rules: [{ kind, match: { dialect: 'deepseek' } }] });
      for (let turn = 0; turn < 3; turn += 1) expect((await post('deepseek')).status).toBeGreaterThanOrEqual(400);
      expect((await post('openai')).status).toBe(200);
      await control('DELETE', 'faults');
      expect((await post('deepseek')).status).toBe(200);
    },
  );
});

test('a rule for an unknown dialect is refused', async () => {
  const answer = await fetch(`${url()}/sandbox/faults`, {
    method: 'PUT',
    body: '{"rules":[{"kind":"unpaid","match":{"dialect":"latin"}}]}',
  });
  expect(answer.status).toBe(400);
});
