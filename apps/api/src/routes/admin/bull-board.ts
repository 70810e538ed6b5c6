/** Bull Board for operators: HTTP Basic for browsers, bearer tokens for programs. */
import { createHash } from 'node:crypto';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { HonoAdapter } from '@bull-board/hono';
import { serveStatic } from '@hono/node-server/serve-static';
import { TallyError } from '@tally/core';
import { fromQueueId, queueOf, requeue } from '@tally/queue';
import type { AnyTask } from '@tally/tasks';
import type { Job } from 'bullmq';
import { type Context, Hono, type MiddlewareHandler } from 'hono';
import { auth as basicAuth } from 'hono/utils/basic-auth';
import { LRUCache } from 'lru-cache';
import type { Caller } from '../../auth/authenticate.ts';
import { bearerOf, requireOperator } from '../../auth/require.ts';
import { createErrorHandler } from '../../http/errors.ts';
import { addressOf, originOf } from '../../http/origin.ts';
import { isOwnOrigin } from '../../http/public-address.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';

export const bullBoardPath = '/admin/queues';

/** Routes of the board over every task's queue and the maintenance queue. */
export function bullBoardRoutes(services: ApiServices, tasks: readonly AnyTask[]) {
  const adapter = new HonoAdapter(serveStatic);
  adapter.setBasePath(bullBoardPath);
  createBullBoard({
    queues: [
      ...tasks.map(({ name, summary }) => adaptTask(services, name, summary)),
      // Read-only: its jobs are scheduled and recur by themselves.
      new BullMQAdapter(services.queues.maintenance, {
        readOnlyMode: true,
        displayName: 'Maintenance',
        description: 'Housekeeping by the clock: tokens refreshed, old keys forgotten',
      }),
    ],
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: 'Tally queues' } },
  });
  // Rethrown so that the API's error handler answers: an outage is a 503 without the store's error text.
  adapter.setErrorHandler((error) => {
    throw error;
  });
  const pages = adapter.registerPlugin() as unknown as Hono<ApiEnv>;
  pages.onError(createErrorHandler(services.log));
  return new Hono<ApiEnv>()
    .use(
      `${bullBoardPath}/*`,
      signIn(services),
      requireOperator(services.config),
      sameOriginOnly(services),
      safeActionsOnly,
      addPathPrefix,
    )
    .route(bullBoardPath, pages);
}

/** A task's queue whose retry buttons requeue the job in Postgres, which BullMQ's own retry does not. */
function adaptTask(services: ApiServices, name: string, description: string): BullMQAdapter {
  const adapter = new BullMQAdapter(queueOf(services.queues, name), {
    displayName: titleOf(name),
    description,
  });
  const withRequeue = (job: Job): Job =>
    Object.assign(job, {
      retry: async () => {
        const id = fromQueueId(job.id ?? '');
        const queued = id === undefined ? [] : await requeue(services, [id.jobId]);
        // A stale copy that an outage left of a job that has moved on: there is nothing to requeue.
        if (queued.length === 0) await job.remove();
      },
    });
  const { getJob, getJobs } = adapter;
  adapter.getJob = async (id) => {
    const job = await getJob.call(adapter, id);
    return job && withRequeue(job);
  };
  adapter.getJobs = async (...page) => (await getJobs.apply(adapter, page)).map(withRequeue);
  return adapter;
}

/** The actions that keep Postgres and BullMQ consistent: requeueing, and pausing a queue. */
const safeActions = /\/api\/queues\/[^/]+\/(?:[^/]+\/retry|retry\/failed|pause|resume)$/;

/** Postgres is the source of truth: it would undo any other change to BullMQ's jobs, or conflict with it. */
const safeActionsOnly: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if (!isReading(c) && !safeActions.test(c.req.path))
    throw new TallyError('forbidden', 'Postgres says what is queued: see `npm run ops -- --help` for what can be done');
  await next();
};

/** A readable title: `product-qa` becomes `Product Q&A`. */
function titleOf(task: string): string {
  const words = task.split('-').map((word) => acronyms[word] ?? word);
  const title = words.join(' ');
  return title.charAt(0).toUpperCase() + title.slice(1);
}
const acronyms: Record<string, string> = { qa: 'Q&A', dm: 'DM' };

/** Accepts a bearer token, or e-mail and password; a successful Basic login is cached for a minute. */
function signIn({ authenticator, config }: ApiServices): MiddlewareHandler<ApiEnv> {
  // The board polls every few seconds, and a password check takes tens of milliseconds.
  const recent = new LRUCache<string, string>({ max: 100, ttl: codeSessionMs });
  const byPassword = async (c: Context<ApiEnv>, email: string, password: string): Promise<Caller | undefined> => {
    const from = addressOf(c, config);
    const fingerprint = createHash('sha256').update(`${email}\n${password}\n${from}`).digest('base64');
    const token = recent.get(fingerprint);
    const cached = token === undefined ? undefined : await authenticator.identify(token);
    if (cached !== undefined) return cached;
    const credentials = { email, ...withCode(password) };
    const identity = await authenticator.login(credentials, originOf(c, config)).catch((error) => {
      if (error instanceof TallyError && error.status === 401) return undefined;
      throw error;
    });
    // A code is valid once, but the browser sends it with every request: such a login is cached for hours.
    const ttl = credentials.code === undefined ? 60_000 : codeSessionMs;
    if (identity !== undefined) recent.set(fingerprint, await authenticator.tokens.issue(identity), { ttl });
    return identity;
  };
  return async (c, next) => {
    const bearer = bearerOf(c);
    const basic = basicOf(c);
    const identity = bearer
      ? await authenticator.identify(bearer)
      : basic && (await byPassword(c, basic.email, basic.password));
    if (identity === undefined) {
      c.header('WWW-Authenticate', 'Basic realm="Tally operators", charset="UTF-8"');
      throw new TallyError(
        'unauthenticated',
        'Operators sign in with e-mail and password; with a second factor its code after a space',
      );
    }
    c.set('identity', identity);
    await next();
  };
}

const codeSessionMs = 4 * 3_600_000;

/** Splits `password 123456`, the form with a second factor. */
function withCode(given: string): { password: string; code?: string } {
  const [, password, code] = /^(.+) (\d{6})$/s.exec(given) ?? [];
  return password === undefined || code === undefined ? { password: given } : { password, code };
}

/** The Basic credentials; undefined with a NUL, which Postgres can't compare. */
function basicOf(c: Context<ApiEnv>): { email: string; password: string } | undefined {
  const { username = '', password = '' } = basicAuth(c.req.raw) ?? {};
  return username === '' || `${username}${password}`.includes('\0') ? undefined : { email: username, password };
}

const isReading = (c: Context<ApiEnv>) => c.req.method === 'GET' || c.req.method === 'HEAD';

/**
 * CSRF protection: browsers send Basic credentials with cross-site requests, too. `Sec-Fetch-Site` decides, which pages
 * can't set; browsers omit it over plain HTTP, where `Origin` decides.
 */
function sameOriginOnly({ config }: ApiServices): MiddlewareHandler<ApiEnv> {
  const isOwn = (c: Context<ApiEnv>): boolean => {
    const site = c.req.header('sec-fetch-site');
    if (site !== undefined) return site === 'same-origin' || site === 'none';
    const origin = c.req.header('origin');
    return origin === undefined || isOwnOrigin(c, origin, config);
  };
  return async (c, next) => {
    if (!isReading(c) && !isOwn(c))
      throw new TallyError('forbidden', 'Cross-site request refused (behind a proxy: set PUBLIC_URL)');
    await next();
  };
}

/** Adds the proxy's path prefix to `<base>`, the only place where the board's page contains its own path. */
const addPathPrefix: MiddlewareHandler<ApiEnv> = async (c, next) => {
  await next();
  const prefix = c.get('prefix');
  if (prefix === '' || c.res.headers.get('content-type')?.startsWith('text/html') !== true) return;
  const page = await c.res.text();
  c.res = c.html(page.replace('<base href="', `$&${prefix}`));
};
