import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { countTokens } from '../src/model/tokens.ts';
import { Settings } from '../src/settings.ts';
import { model, useSandbox } from './fixture.ts';

const { ask, client, url, sandbox } = useSandbox();
const post = (body: string | Buffer): Promise<Response> =>
  fetch(`${url()}/v1/chat/completions`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });

describe('a chat completion', () => {
  test('has the shape of the real one', async () => {
    const { data, response } = await client()
      .chat.completions.create({ model, messages: [{ role: 'user', content: 'Hello?' }] })
      .withResponse();
    expect(data).toMatchObject({
      id: expect.stringMatching(/^chatcmpl-/),
      object: 'chat.completion',
      model,
      choices: [{ index: 0, message: { role: 'assistant', refusal: null }, finish_reason: 'stop' }],
      usage: { prompt_tokens_details: { cached_tokens: 0 }, completion_tokens_details: { reasoning_tokens: 0 } },
      system_fingerprint: expect.any(String),
    });
    expect(Math.abs(data.created - Date.now() / 1_000)).toBeLessThan(5);
    expect(data.choices[0]?.message.content).toContain('Hello?');
    expect(response.headers.get('x-request-id')).toMatch(/^req_/);
  });

  test('has ids of its own each time', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('Hello?')));
    expect(new Set(answers.map(({ id }) => id)).size).toBe(20);
    expect(new Set(sandbox.book.list().map((entry) => entry.request_id)).size).toBe(20);
  });

  test('counts its tokens with the tokenizer', async () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'سلام، قیمت این کفش چند است؟ 👟' },
    ] as const;
    const { usage, choices } = await ask('', { messages: [...messages] });
    const prompt = messages.reduce((sum, m) => sum + 3 + encode(m.role).length + encode(m.content).length, 3);
    const completion = encode(choices[0]?.message.content ?? '').length;
    expect(usage).toMatchObject({
      prompt_tokens: prompt,
      completion_tokens: completion,
      total_tokens: prompt + completion,
    });
  });

  test.each(['max_tokens', 'max_completion_tokens'])('is cut at %s', async (limit) => {
    const { choices, usage } = await ask('Hello?', { [limit]: 4 });
    expect(choices[0]?.finish_reason).toBe('length');
    expect(usage?.completion_tokens).toBe(4);
    expect(countTokens(choices[0]?.message.content ?? '')).toBe(4);
  });

  test('is never cut within a character', async () => {
    for (let limit = 1; limit < 40; limit += 1) {
      const { choices, usage } = await ask('🫠𓀀🏴‍☠️ سلام', { max_completion_tokens: limit });
      expect(choices[0]?.message.content).not.toContain('\ufffd');
      expect(usage?.completion_tokens).toBeLessThanOrEqual(limit);
    }
  });

  test('has as many tokens as the settings fix', async () => {
    for (let tokens = 1; tokens < 200; tokens += 1 + (tokens >> 3)) {
      sandbox.settings.current = Settings.parse({ output_tokens: tokens });
      expect((await ask('Hello?')).usage?.completion_tokens).toBe(tokens);
    }
  });

  test('takes at least as long as the settings say', async () => {
    sandbox.settings.current = Settings.parse({ delay_ms: 80 });
    const startedAt = performance.now();
    await ask('Hello?');
    expect(performance.now() - startedAt).toBeGreaterThan(75);
  });
});

describe('a request that is wrong', () => {
  test.each([
    ['no messages', { messages: [] }, 'messages'],
    ['an unknown role', { messages: [{ role: 'boss', content: 'Hello?' }] }, 'messages[0].role'],
    ['a limit of nothing', { max_tokens: 0 }, 'max_tokens'],
    ['two choices', { n: 2 }, 'n'],
    ['a stream', { stream: true }, 'stream'],
    ['an unknown format', { response_format: { type: 'yaml' } }, 'response_format.type'],
  ])('is told so: %s', async (_, wrong, param) => {
    const answer = await post(JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello?' }], ...wrong }));
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      error: { type: 'invalid_request_error', param, code: null, message: expect.stringContaining(param) },
    });
  });

  test('is told so when it is not JSON', async () => {
    const answer = await post('{"model":');
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { param: null } });
  });

  test('is refused above 4 MB, and the connection lives on', async () => {
    const answer = await post(Buffer.alloc(4 * 1024 * 1024 + 1, ' '));
    expect(answer.status).toBe(413);
    expect(await answer.json()).toMatchObject({ error: { code: 'request_too_large' } });
    await ask('Hello?');
  });

  test('is refused when the prompt is longer than the model reads', async () => {
    const asked = ask('word '.repeat(130_000));
    await expect(asked).rejects.toMatchObject({ status: 400, code: 'context_length_exceeded' });
  });
});

describe('a sandbox with a key', () => {
  const guarded = useSandbox({ apiKey: 'sk-right' });

  test('answers who has it', async () => {
    await guarded.ask('Hello?');
    const models = await guarded.client().models.list();
    expect(models.data.map(({ id }) => id)).toContain(model);
  });

  test('refuses everyone else', async () => {
    const stranger = new OpenAI({ apiKey: 'sk-wrong', baseURL: `${guarded.url()}/v1`, maxRetries: 0 });
    const asked = stranger.chat.completions.create({ model, messages: [{ role: 'user', content: 'Hello?' }] });
    await expect(asked).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    await expect(asked).rejects.toMatchObject({ code: 'invalid_api_key' });
    await expect(stranger.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  });
});
