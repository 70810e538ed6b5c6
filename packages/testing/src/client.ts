/** An HTTP client of the API for tests and tools, which returns responses of any status. */
import { setTimeout as sleep } from 'node:timers/promises';
import { testPassword } from './accounts.ts';
import { metricsToken } from './settings.ts';

export type Body = Record<string, unknown>;
export type Answer<Shape = Body> = { status: number; headers: Headers; body: Shape; text: string };

export type CallOptions = {
  /** A bearer token or API key. */
  token?: string | undefined;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent unchanged instead of `body`. */
  raw?: string | Uint8Array | ReadableStream;
  headers?: Record<string, string>;
  /** Aborts the request after this time. */
  limitMs?: number;
};

export type Job<Result = AnswerResult> = {
  id: string;
  task: string;
  status: string;
  progress: string | null;
  result: Result | null;
  error: string | null;
  error_code: string | null;
  tokens_consumed: number;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
};

type AnswerResult = { answer: string; known: boolean; sources: { kind: string; id: string; title: string }[] };

export type Client = {
  /** Sends one request; a body that is not JSON is `{}`, see `text`. */
  call<Shape = Body>(method: string, path: string, options?: CallOptions): Promise<Answer<Shape>>;
  /** Registers an account over HTTP and returns its token. */
  register(email: string, password?: string): Promise<string>;
  login(email: string, password?: string): Promise<string>;
  /** Submits a question and returns its job id. @throws Error for a status other than 202 */
  submit(token: string, question: string, headers?: Record<string, string>): Promise<string>;
  /** Polls a job until it has ended. @throws Error after `limitMs` */
  poll<Result = AnswerResult>(token: string, jobId: string, limitMs?: number): Promise<Job<Result>>;
  /** Submits input to a task's path and waits for the job's end. @throws Error for a status other than 202 */
  run<Result = Body>(token: string, path: string, input: object, limitMs?: number): Promise<Job<Result>>;
  /** Submits a question and waits for the job's end. */
  ask(token: string, question: string): Promise<Job>;
};

export const questionPath = '/api/ai/ask-question';

/** A question that is accepted for an account with `tokens` but needs more of them to run. */
export const costlyQuestion = { question: '¶·'.repeat(300), tokens: 190 };

export function createClient(url: string): Client {
  const call: Client['call'] = (method, path, options) => send(`${url}${path}`, method, options);
  const tokenFrom = async (path: string, email: string, password: string): Promise<string> => {
    const { body, text } = await call('POST', path, { body: { email, password } });
    if (typeof body.access_token !== 'string') throw new Error(`no token: ${text}`);
    return body.access_token;
  };
  const submit = async (token: string, path: string, input: object, headers = {}): Promise<string> => {
    const { status, body, text } = await call('POST', path, { token, body: input, headers });
    if (status !== 202 || typeof body.job_id !== 'string') throw new Error(`not accepted: ${status} ${text}`);
    return body.job_id;
  };
  const poll: Client['poll'] = async <Result>(token: string, jobId: string, limitMs = 30_000) => {
    for (const endsAt = Date.now() + limitMs; ; await sleep(15)) {
      const { body, text } = await call<{ job?: Job<Result> }>('GET', `/api/jobs/${jobId}`, { token });
      if (body.job && !['queued', 'running'].includes(body.job.status)) return body.job;
      if (Date.now() > endsAt) throw new Error(`the job has not ended within ${limitMs} ms: ${text}`);
    }
  };
  return {
    call,
    poll,
    login: (email, password = testPassword) => tokenFrom('/api/accounts/login', email, password),
    register: (email, password = testPassword) => tokenFrom('/api/accounts/register', email, password),
    submit: (token, question, headers) => submit(token, questionPath, { question }, headers),
    run: async (token, path, input, limitMs) => poll(token, await submit(token, path, input), limitMs),
    ask: async (token, question) => poll(token, await submit(token, questionPath, { question })),
  };
}

/** Sends one HTTP request and parses a JSON response. */
export async function send<Shape = Body>(
  url: string,
  method: string,
  { token, body, raw, headers = {}, limitMs }: CallOptions = {},
): Promise<Answer<Shape>> {
  const bearer = token ?? (new URL(url).pathname === '/metrics' ? metricsToken : undefined);
  const content = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await fetch(url, {
    method,
    headers: {
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      ...(content === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(content === undefined ? {} : { body: content as string, duplex: 'half' }),
    ...(limitMs !== undefined && { signal: AbortSignal.timeout(limitMs) }),
    redirect: 'manual',
  });
  const text = await response.text();
  const isJson = text !== '' && response.headers.get('content-type')?.includes('application/json') === true;
  return { status: response.status, headers: response.headers, text, body: (isJson ? JSON.parse(text) : {}) as Shape };
}

/** An API's metrics in Prometheus' text format. */
export const readMetrics = async (apiUrl: string): Promise<string> => (await send(`${apiUrl}/metrics`, 'GET')).text;
