/** The requests that the client sends, and what it learns from refusals, against a scripted HTTP server. */
import type { Scripted } from '@tally/testing';
import { startScriptedModel, testLog } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';
import { createModelClient, type JsonFormat, ModelCallError } from '../../src/model/client.ts';
import { createTraits } from '../../src/model/traits.ts';

const server = await startScriptedModel(() => 'Yes.');
type Body = { messages: { content: string }[]; response_format?: { type: string }; max_tokens?: number };

/** A new client of a server that answers by `script`. */
function connect(script: (body: Body) => Scripted, outputCap: 'auto' | 'max_tokens' = 'auto') {
  server.script = script;
  server.asked.length = 0;
  const traits = createTraits({ db: undefined, log: testLog, baseUrl: server.url, model: 'm', outputCap });
  const model = createModelClient({ apiKey: 'k', baseUrl: server.url, model: 'm', traits });
  const ask = (format?: JsonFormat) =>
    model.complete({
      holdId: 'h',
      accountId: 'a',
      messages: [{ role: 'user', content: 'Why?' }],
      maxOutputTokens: 100,
      format,
      timeoutMs: 10_000,
      signal: new AbortController().signal,
    });
  return { ask, traits, requests: server.asked as Body[] };
}

const json = (status: number, body: unknown): Scripted => ({ status, body: JSON.stringify(body) });
const refuse = (message: string) => json(400, { error: { message, type: 'invalid_request_error' } });
const format = { name: 'thing', jsonSchema: { type: 'object' } };

describe('output cap', () => {
  it('is sent in both fields to an unknown server', async () => {
    const { ask, requests } = connect(() => 'Yes.');
    await ask();
    expect(requests).toMatchObject([{ max_tokens: 100, max_completion_tokens: 100 }]);
  });

  it('is sent in the configured field only', async () => {
    const { ask, requests } = connect(() => 'Yes.', 'max_tokens');
    await ask();
    expect(requests[0]).toHaveProperty('max_tokens', 100);
    expect(requests[0]).not.toHaveProperty('max_completion_tokens');
  });

  it.each([
    ['max_tokens', 'max_completion_tokens'],
    ['max_completion_tokens', 'max_tokens'],
  ])('is sent without %s after the server has refused it', async (refused, accepted) => {
    const { ask, requests } = connect((body) =>
      refused in body ? refuse(`Unsupported parameter: '${refused}' is not supported.`) : 'Yes.',
    );
    await ask();
    await ask();
    expect(requests).toHaveLength(3);
    expect(requests[2]).toHaveProperty(accepted, 100);
    expect(requests[2]).not.toHaveProperty(refused);
  });

  it('is learnt by calls that are refused concurrently', async () => {
    const { ask } = connect((body) => ('max_tokens' in body ? refuse("Unsupported parameter: 'max_tokens'") : 'Yes.'));
    const replies = await Promise.all([1, 2, 3, 4, 5].map(() => ask()));
    expect(replies.map(({ text }) => text)).toEqual(Array(5).fill('Yes.'));
  });

  it('stays in the configured field after a refusal', async () => {
    const { ask, requests } = connect(() => refuse("Unsupported parameter: 'max_tokens'"), 'max_tokens');
    await expect(ask()).rejects.toMatchObject({ kind: 'rejected' });
    expect(requests).toHaveLength(1);
  });

  it('is tried at most 5 times if every field is refused', async () => {
    const { ask, requests } = connect((body) =>
      refuse(`Unsupported parameter: '${'max_tokens' in body ? 'max_tokens' : 'max_completion_tokens'}'`),
    );
    await expect(ask()).rejects.toMatchObject({ kind: 'rejected' });
    expect(requests.length).toBeLessThanOrEqual(5);
  });
});

describe('JSON mode', () => {
  const unavailable = 'This response_format type is unavailable now';

  it('stops at json_object when calls are refused concurrently', async () => {
    const { ask, traits } = connect((body) =>
      body.response_format?.type === 'json_schema' ? refuse(unavailable) : '{"a":1}',
    );
    await Promise.all([1, 2, 3, 4, 5].map(() => ask(format)));
    expect(traits.current().jsonMode).toBe('json_object');
  });

  it('is not reset by the answer to an earlier call', async () => {
    const { ask, traits } = connect(() => 'Yes.');
    const earlier = ask();
    traits.learn({ jsonMode: 'json_object' });
    await earlier;
    expect(traits.current().jsonMode).toBe('json_object');
  });

  it('stays json_schema if the server refuses every form', async () => {
    const { ask, traits } = connect(() => refuse(unavailable));
    await expect(ask(format)).rejects.toMatchObject({ kind: 'rejected' });
    expect(traits.current().jsonMode).toBe('json_schema');
  });

  it('falls back to the prompt if response_format is unknown', async () => {
    const { ask, requests } = connect((body) =>
      body.response_format ? refuse('response_format: Extra inputs are not permitted') : '{"a":1}',
    );
    expect((await ask(format)).text).toBe('{"a":1}');
    expect(requests).toHaveLength(3);
  });
});

describe('200 response', () => {
  it.each(['content_filter', 'SAFETY', 'PROHIBITED_CONTENT', 'content_filter: PROHIBITED_CONTENT'])(
    'with finish_reason %s is a refusal',
    async (finish_reason) => {
      const { ask } = connect(() => ({ message: { content: null }, choice: { finish_reason } }));
      expect(await ask()).toMatchObject({ refusal: true, text: null });
    },
  );

  it.each(['length', 'MAX_TOKENS', 'model_length'])('with finish_reason %s is cut off', async (finish_reason) => {
    const { ask } = connect(() => ({ choice: { finish_reason } }));
    expect(await ask()).toMatchObject({ cutOff: true, refusal: false });
  });

  it('with an empty refusal field is an answer', async () => {
    const { ask } = connect(() => ({ message: { content: 'Yes.', refusal: '' } }));
    expect(await ask()).toMatchObject({ refusal: false, text: 'Yes.' });
  });

  it.each([
    ['rate limit', { code: 429, message: 'Rate limit exceeded' }, 'rate_limited'],
    ['quota', { code: 'insufficient_quota', message: 'no' }, 'operator'],
    ['unspecified error', { message: 'Provider returned error' }, 'unavailable'],
  ])('with an error body is classified: %s', async (_, error, kind) => {
    const { ask } = connect(() => json(200, { error }));
    await expect(ask()).rejects.toMatchObject({ name: 'ModelCallError', kind });
  });

  it.each(['[]', '7', 'null', '"text"', '{}', '{"choices":"x"}', '{"choices":[null]}', '{"choices":[{"message":5}]}'])(
    'with body %s is no answer, and never an unknown error',
    async (body) => {
      const { ask } = connect(() => ({ status: 200, body }));
      const reply = await ask().catch((error: unknown) => error);
      if (reply instanceof Error) expect(reply).toBeInstanceOf(ModelCallError);
      else expect(reply).toMatchObject({ text: null });
    },
  );
});

describe('error response', () => {
  it('for a too long input names the model’s limit', async () => {
    const error = { message: 'too long', type: 'exceed_context_size_error', n_prompt_tokens: 14_429, n_ctx: 8_192 };
    const { ask } = connect(() => json(400, { error }));
    await expect(ask()).rejects.toMatchObject({ kind: 'too_large', limitTokens: 8_192 });
  });

  it.each([
    [
      'vLLM: not wrapped',
      { object: 'error', message: 'maximum context length is 2048 tokens', code: 400 },
      'too_large',
    ],
    ['Google: in an array', [{ error: { code: 400, message: 'API key not valid.' } }], 'operator'],
    ['xAI: as a string', { code: 'Client specified an invalid argument', error: 'Incorrect API key' }, 'operator'],
  ])('is parsed in the form of %s', async (_, body, kind) => {
    const { ask } = connect(() => json(400, body));
    await expect(ask()).rejects.toMatchObject({ kind });
  });
});
