/** A whole platform in the test's process, API, worker and sandbox over storage of their own, and a client's hands on it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config, Logger } from '@tally/core';
import { connectDatabase, migrate } from '@tally/db';
import { type Postgres, type Redis, startPostgres, startRedis } from '@tally/embedded';
import type { AnyTask } from '@tally/tasks';
import { afterAll, onTestFinished } from 'vitest';
import type { StreamLimits } from '../../apps/api/src/jobs/event-streams.ts';
import { type Patience, type RunningApi, startApi } from '../../apps/api/src/start.ts';
import { createSandbox, type Sandbox } from '../../apps/sandbox/src/server.ts';
import type { Network } from '../../apps/worker/src/pages/proxy/dial.ts';
import { type RunningWorker, startWorker } from '../../apps/worker/src/start.ts';
import { metricsToken, newAccount, newConfig, testLog, testPassword } from './tally.ts';

export type Body = Record<string, unknown>;
export type Answer<Shape = Body> = { status: number; headers: Headers; body: Shape; text: string };

export type CallOptions = {
  /** A bearer token or API key. */
  token?: string;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, in the place of `body`. */
  raw?: string | Uint8Array | ReadableStream;
  headers?: Record<string, string>;
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

export type Person = { accountId: string; email: string; token: string };

export type Platform = {
  config: Config;
  api: RunningApi;
  url: string;
  sandbox: Sandbox;
  /** The sandbox's sample shop. */
  shopUrl: string;
  /** One request to the API; a body that is no JSON is `{}`, see `text`. */
  call<Shape = Body>(method: string, path: string, options?: CallOptions): Promise<Answer<Shape>>;
  /** An account made over HTTP. */
  register(email: string, password?: string): Promise<string>;
  login(email: string, password?: string): Promise<string>;
  /** A logged-in account, as `newAccount` makes them. */
  newPerson(input?: { tokens?: number; role?: 'tenant' | 'operator'; email?: string }): Promise<Person>;
  /** Submits a question and returns the id of its job. @throws where the answer is not 202 */
  submit(token: string, question: string, headers?: Record<string, string>): Promise<string>;
  /** Asks for the job until it has ended. @throws after `limitMs` */
  poll<Result = AnswerResult>(token: string, jobId: string, limitMs?: number): Promise<Job<Result>>;
  /** Submits input to any task's path and waits for the end. @throws where the answer is not 202 */
  run<Result = Body>(token: string, path: string, input: object): Promise<Job<Result>>;
  /** Submits and waits for the end. */
  ask(token: string, question: string): Promise<Job>;
  /** One more worker in this process, with settings of its own if need be; ended with the platform. */
  startWorker(config?: Config): Promise<void>;
  /** Shuts down every worker of this platform. */
  stopWorkers(): Promise<void>;
};

export const questionPath = '/api/ai/ask-question';

/** An account with so few tokens may submit this question, which then turns out to need more. */
export const costlyQuestion = { question: '¶·'.repeat(300), tokens: 190 };

type PlatformOptions = {
  /** Environment variables beside those of `newConfig`. */
  env?: Record<string, string>;
  /** The path of the sandbox's dialect (apps/sandbox/src/model/dialects); by default OpenAI's. */
  modelPath?: string;
  /** False: nothing takes jobs. */
  worker?: boolean;
  log?: Logger;
  /** By default the registry's. */
  tasks?: readonly AnyTask[];
  /** How long the API waits for its clients. */
  patience?: Patience;
  /** What pages are opened over. */
  network?: Partial<Network>;
  /** Where event streams shall differ from what they are in earnest. */
  streams?: Partial<StreamLimits>;
};

export const instagramSecret = 'test-instagram-app-secret';

type CloseLater = (cleanUp: () => Promise<void>) => void;

/** Starts a platform that ends with its test file, or with the test where `closeLater` is `onTestFinished`. */
export async function startPlatform(
  {
    env = {},
    modelPath = '/v1',
    worker = true,
    log = testLog,
    network,
    streams,
    tasks,
    patience,
  }: PlatformOptions = {},
  closeLater: CloseLater = afterAll,
): Promise<Platform> {
  const sandbox = createSandbox({ instagram: { appSecret: instagramSecret } });
  const [listener, shop, mail] = await Promise.all([
    sandbox.listen(0),
    sandbox.listenShop(0),
    sandbox.mailbox.listen(0),
  ]);
  closeLater(async () => {
    await Promise.all([listener.close(), shop.close(), mail.close()]);
  });
  const config = await newConfig({
    OPENAI_BASE_URL: `${listener.url}${modelPath}`,
    INSTAGRAM_APP_SECRET: instagramSecret,
    INSTAGRAM_VERIFY_TOKEN: 'VERIFY',
    INSTAGRAM_GRAPH_URL: `${listener.url}/graph`,
    SMTP_URL: mail.url,
    EXTRACTION_ALLOW_HOSTS: new URL(shop.url).host,
    ...env,
  });
  const api = await startApi(config, log, {
    ...(tasks && { tasks }),
    ...(streams && { streams }),
    ...(patience && { patience }),
  });
  closeLater(() => api.close());
  sandbox.instagram.settings.current.webhook_url = `${api.url}/webhooks/instagram`;
  const workers: RunningWorker[] = [];
  const start = async (own = config) => {
    workers.push(await startWorker(own, log, { ...(network && { network }), ...(tasks && { tasks }) }));
  };
  const stopWorkers = async () => {
    await Promise.all(workers.splice(0).map(({ close }) => close()));
  };
  closeLater(stopWorkers);
  if (worker) await start();
  return { config, api, url: api.url, sandbox, shopUrl: shop.url, startWorker: start, stopWorkers, ...clientOf(api) };
}

type Client = Pick<Platform, 'call' | 'register' | 'login' | 'newPerson' | 'submit' | 'poll' | 'run' | 'ask'>;

function clientOf(api: RunningApi): Client {
  const call: Platform['call'] = (method, path, options) => send(`${api.url}${path}`, method, options);
  const tokenFrom = async (path: string, email: string, password: string): Promise<string> => {
    const { body, text } = await call('POST', path, { body: { email, password } });
    if (typeof body.access_token !== 'string') throw new Error(`no token: ${text}`);
    return body.access_token;
  };
  const login: Client['login'] = (email, password = testPassword) => tokenFrom('/api/accounts/login', email, password);
  const poll: Client['poll'] = async <Result>(token: string, jobId: string, limitMs = 30_000) => {
    for (const until = Date.now() + limitMs; ; await sleep(15)) {
      const { body, text } = await call<{ job?: Job<Result> }>('GET', `/api/jobs/${jobId}`, { token });
      if (body.job && !['queued', 'running'].includes(body.job.status)) return body.job;
      if (Date.now() > until) throw new Error(`the job has not ended within ${limitMs} ms: ${text}`);
    }
  };
  const submit: Client['submit'] = (token, question, headers = {}) =>
    send202(token, questionPath, { question }, headers);
  const send202 = async (token: string, path: string, input: object, headers = {}): Promise<string> => {
    const { status, body, text } = await call('POST', path, { token, body: input, headers });
    if (status !== 202 || typeof body.job_id !== 'string') throw new Error(`not accepted: ${status} ${text}`);
    return body.job_id;
  };
  return {
    call,
    login,
    poll,
    submit,
    run: async (token, path, input) => poll(token, await send202(token, path, input)),
    register: (email, password = testPassword) => tokenFrom('/api/accounts/register', email, password),
    async newPerson(input = {}) {
      const { accountId, email } = await newAccount(api.services, input);
      // What a login would give, without the work of its password hash.
      return { accountId, email, token: await api.services.authenticator.tokens.issue({ accountId, tokenVersion: 1 }) };
    },
    ask: async (token, question) => poll(token, await submit(token, question)),
  };
}

/** One HTTP request, its answer read as JSON where it is that. */
async function send<Shape>(
  url: string,
  method: string,
  { token, body, raw, headers = {} }: CallOptions = {},
): Promise<Answer<Shape>> {
  const bearer = new URL(url).pathname === '/metrics' ? metricsToken : token;
  const content = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await fetch(url, {
    method,
    headers: {
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      ...(content === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(content === undefined ? {} : { body: content as string, duplex: 'half' }),
    redirect: 'manual',
  });
  const text = await response.text();
  const isJson = text !== '' && response.headers.get('content-type')?.includes('application/json') === true;
  return { status: response.status, headers: response.headers, text, body: (isJson ? JSON.parse(text) : {}) as Shape };
}

/** Asks until `isReached` says so: for what happens by itself and tells nobody. @throws after `limitMs` */
export async function until(isReached: () => Promise<boolean> | boolean, limitMs = 20_000): Promise<void> {
  for (const end = Date.now() + limitMs; !(await isReached()); await sleep(15))
    if (Date.now() > end) throw new Error(`it did not happen within ${limitMs} ms: ${isReached}`);
}

/** A Postgres that a test may stop, migrated; gone with the test, or with its file where `closeLater` is `afterAll`. */
export async function ownPostgres(closeLater: CloseLater = onTestFinished): Promise<Postgres> {
  const folder = await mkdtemp(join(tmpdir(), 'tally-own-'));
  const postgres = await startPostgres({ dataDir: folder, durable: false });
  closeLater(async () => {
    await postgres.discard();
    await rm(folder, { recursive: true, force: true });
  });
  const db = connectDatabase({ url: postgres.url, name: 'test', log: testLog, connections: 1 });
  await migrate(db);
  await db.close();
  return postgres;
}

/** A Redis that a test may kill, empty after a restart; gone like {@link ownPostgres}. */
export async function ownRedis(closeLater: CloseLater = onTestFinished): Promise<Redis> {
  const folder = await mkdtemp(join(tmpdir(), 'tally-own-'));
  const redis = await startRedis({ dataDir: folder, persist: false });
  closeLater(async () => {
    await redis.kill();
    await rm(folder, { recursive: true, force: true });
  });
  return redis;
}
