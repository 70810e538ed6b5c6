/** A sandbox of its own for a test file, and the client that real users of the API have. */
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { Listener } from '../src/http.ts';
import { createSandbox, type Sandbox, type SandboxOptions } from '../src/server.ts';
import { Settings } from '../src/settings.ts';

export type Fixture = {
  sandbox: Sandbox;
  url: () => string;
  /** A client without retries; `headers` go with each of its requests. */
  client: (headers?: Record<string, string>) => OpenAI;
  /** A request that speaks of the answer only. */
  ask: (
    question: string,
    more?: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>,
  ) => Promise<OpenAI.ChatCompletion>;
  /** A request that asks for a fault by header. */
  askWith: (
    fault: string,
    more?: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>,
  ) => Promise<OpenAI.ChatCompletion>;
  control: (method: string, path: string, body?: unknown) => Promise<unknown>;
};

export const model = 'gpt-4o-mini';

/** Starts a sandbox before the tests of a file, empties it before each, and stops it after them. */
export function useSandbox(options: SandboxOptions = {}): Fixture {
  const sandbox = createSandbox(options);
  let listener: Listener | undefined;
  beforeAll(async () => {
    listener = await sandbox.listen(0);
  });
  beforeEach(() => {
    sandbox.book.clear();
    sandbox.faults.clear();
    sandbox.instagram.clear();
    sandbox.settings.current = Settings.parse({});
  });
  afterAll(() => listener?.close());

  const url = (): string => listener?.url ?? '';
  const client = (headers: Record<string, string> = {}): OpenAI =>
    new OpenAI({
      apiKey: options.apiKey ?? 'any',
      baseURL: `${url()}/v1`,
      maxRetries: 0,
      timeout: 5_000,
      defaultHeaders: headers,
    });
  const request = (question: string, more: object): OpenAI.ChatCompletionCreateParamsNonStreaming => ({
    model,
    messages: [{ role: 'user', content: question }],
    ...more,
  });
  return {
    sandbox,
    url,
    client,
    ask: (question, more = {}) => client().chat.completions.create(request(question, more)),
    askWith: (fault, more = {}) =>
      client({ 'x-sandbox-fault': fault }).chat.completions.create(request('How are you?', more)),
    async control(method, path, body) {
      const answer = await fetch(
        `${url()}/sandbox/${path}`,
        body ? { method, body: JSON.stringify(body) } : { method },
      );
      return answer.json();
    },
  };
}
