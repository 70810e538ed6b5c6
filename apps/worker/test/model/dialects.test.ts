/** Every refusal of the sandbox's five dialects, read by the client. */
import { createLogger } from '@tally/core';
import { expect, it, onTestFinished } from 'vitest';
import { type ErrorKind, errorKinds } from '../../../sandbox/src/model/dialects/dialect.ts';
import { dialects } from '../../../sandbox/src/model/dialects/dialects.ts';
import { createSandbox } from '../../../sandbox/src/server.ts';
import { createModelClient, type ModelCallError } from '../../src/model/client.ts';
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

it.each(dialects)('reads every refusal of $name', async (dialect) => {
  const sandbox = createSandbox();
  const listener = await sandbox.listen(0);
  onTestFinished(() => listener.close());
  const baseUrl = `${listener.url}${dialect.basePath}`;
  const model = { log, baseUrl, model: 'model-1', outputCap: 'auto' as const };
  const client = createModelClient({ ...model, apiKey: 'any', traits: createTraits({ ...model, db: undefined }) });
  const ask = () =>
    client.complete({
      holdId: 'hold',
      accountId: 'account',
      messages: [{ role: 'user', content: 'How are you?' }],
      maxOutputTokens: 50,
      timeoutMs: 5_000,
      signal: new AbortController().signal,
    });
  for (const kind of errorKinds) {
    sandbox.faults.set([{ kind, retry_after_s: 3 }]);
    const error = await ask().catch((err: ModelCallError) => err);
    // Ollama's 503 is a model that is being loaded, the others' an overload.
    const isLoading = kind === 'unavailable' && dialect.name === 'ollama';
    const wanted = isLoading ? 'unavailable' : expected[kind];
    expect(error, kind).toMatchObject({ kind: wanted, retryAfterMs: 3_000 });
    const limitTokens = kind === 'context_length' && dialect.name !== 'ollama' ? dialect.contextTokens : undefined;
    expect((error as ModelCallError).limitTokens, kind).toBe(limitTokens);
  }
  sandbox.faults.set([{ kind: 'content_refused' }]);
  const refused = await ask().catch((err: ModelCallError) => err);
  if (refused instanceof Error) expect(refused.kind).toBe('refused');
  // Ollama's models refuse in their text only.
  else expect(refused.refusal).toBe(dialect.contentRefused !== 'in_text');
});
