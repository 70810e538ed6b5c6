/** The model client against the sandbox's five dialects: every error, and the request forms that it learns. */
import { createLogger } from '@tally/core';
import { expect, it, onTestFinished } from 'vitest';
import { type Dialect, type ErrorKind, errorKinds } from '../../../sandbox/src/model/dialects/dialect.ts';
import { dialects } from '../../../sandbox/src/model/dialects/dialects.ts';
import { createSandbox } from '../../../sandbox/src/server.ts';
import { Settings } from '../../../sandbox/src/settings.ts';
import { createModelClient, type JsonFormat, type ModelCallError } from '../../src/model/client.ts';
import { createTraits } from '../../src/model/traits.ts';

const log = createLogger('test', 'silent');
const expected: Record<ErrorKind, ModelCallError['kind']> = {
  rate_limit: 'rate_limited',
  server_error: 'unavailable',
  unavailable: 'rate_limited',
  bad_request: 'rejected',
  unauthorized: 'operator',
  unpaid: 'operator',
  forbidden: 'operator',
  unknown_model: 'operator',
  context_length: 'too_large',
  too_large: 'too_large',
};

async function startWith(dialect: Dialect) {
  const sandbox = createSandbox();
  const listener = await sandbox.listen(0);
  onTestFinished(() => listener.close());
  const baseUrl = `${listener.url}${dialect.basePath}`;
  const model = { log, baseUrl, model: 'model-1', outputCap: 'auto' as const };
  const traits = createTraits({ ...model, db: undefined });
  const client = createModelClient({ ...model, apiKey: 'any', traits });
  const ask = (format?: JsonFormat) =>
    client.complete({
      holdId: 'hold',
      accountId: 'account',
      messages: [{ role: 'user', content: 'How are you?' }],
      maxOutputTokens: 90,
      format,
      timeoutMs: 5_000,
      signal: new AbortController().signal,
    });
  return { sandbox, traits, ask };
}

it.each(dialects)('classifies every error of $name', async (dialect) => {
  const { sandbox, ask } = await startWith(dialect);
  for (const kind of errorKinds) {
    sandbox.faults.set([{ kind, retry_after_s: 3 }]);
    const error = await ask().catch((err: ModelCallError) => err);
    // Ollama's 503 means that the model is loading; the others' means overload.
    const isLoading = kind === 'unavailable' && dialect.name === 'ollama';
    const wanted = isLoading ? 'unavailable' : expected[kind];
    expect(error, kind).toMatchObject({ kind: wanted, retryAfterMs: 3_000 });
    const limitTokens = kind === 'context_length' && dialect.name !== 'ollama' ? dialect.contextTokens : undefined;
    expect((error as ModelCallError).limitTokens, kind).toBe(limitTokens);
  }
  sandbox.faults.set([{ kind: 'content_refused' }]);
  const refused = await ask().catch((err: ModelCallError) => err);
  if (refused instanceof Error) expect(refused.kind).toBe('refused');
  // Ollama's models refuse in the text of the answer only.
  else expect(refused.refusal).toBe(dialect.contentRefused !== 'in_text');
});

const format = {
  name: 'reply',
  jsonSchema: { type: 'object', properties: { reply: { type: 'string' } }, required: ['reply'] },
};

it.each([
  ['openai', { jsonMode: 'json_schema', capField: 'max_completion_tokens' }],
  ['deepseek', { jsonMode: 'json_object', capField: 'both' }],
])('learns the request form of %s from concurrent refusals', async (name, learnt) => {
  const dialect = dialects.find((one) => one.name === name) as Dialect;
  const { sandbox, traits, ask } = await startWith(dialect);
  sandbox.settings.current = Settings.parse({ reasoning_tokens: 10, delay_ms: 50 });
  const replies = await Promise.all(Array.from({ length: 10 }, () => ask(format)));
  for (const { text } of replies) expect(text).toContain('"reply"');
  expect(traits.current()).toMatchObject(learnt);
});
