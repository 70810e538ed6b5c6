/** Bull Board, for operators: a browser signs in with HTTP Basic, a program with its bearer token. */
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

/** The board over every task's queue and the maintenance queue. */
export function bullBoardRoutes(services: ApiServices, tasks: readonly AnyTask[]) {
  const adapter = new HonoAdapter(serveStatic);
  adapter.setBasePath(bullBoardPath);
  createBullBoard({
    queues: [
      ...tasks.map(({ name, summary }) => adaptTask(services, name, summary)),
      // Its jobs come back by the clock.
      new BullMQAdapter(services.queues.maintenance, {
        readOnlyMode: true,
        displayName: 'Maintenance',
        description: 'Housekeeping by the clock: tokens refreshed, old keys forgotten',
      }),
    ],
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: 'Tally queues' } },
  });
  // An outage is a 503 here, too, without the store's own text.
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
      ownPagesOnly(services),
      safeActsOnly,
      insidePrefix,
    )
    .route(bullBoardPath, pages);
}

/** A task's queue, with the board's retry buttons putting back the rows in Postgres, which BullMQ's own retry doesn't. */
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
        // A copy that an outage left behind, of a job that has gone on: nothing is to be put back.
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

/** The acts that leave the rows in Postgres true: putting back, and pausing a queue. */
const safeActs = /\/api\/queues\/[^/]+\/(?:[^/]+\/retry|retry\/failed|pause|resume)$/;

/** Everything else that the board can do to BullMQ's jobs would be undone from Postgres, or worse. */
const safeActsOnly: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if (!isReading(c) && !safeActs.test(c.req.path))
    throw new TallyError('forbidden', 'Postgres says what is queued: see `npm run ops -- --help` for what can be done');
  await next();
};

/** `product-qa` as people read it: `Product Q&A`. */
function titleOf(task: string): string {
  const words = task.split('-').map((word) => acronyms[word] ?? word);
  const title = words.join(' ');
  return title.charAt(0).toUpperCase() + title.slice(1);
}
const acronyms: Record<string, string> = { qa: 'Q&A', dm: 'DM' };

/** Accepts a bearer token, or e-mail and password; what a browser asks for is remembered for a minute. */
function signIn({ authenticator, config }: ApiServices): MiddlewareHandler<ApiEnv> {
  // The board polls every few seconds, and a password takes tens of milliseconds to check.
  const recent = new LRUCache<string, string>({ max: 100, ttl: codeMemoryMs });
  const byPassword = async (c: Context<ApiEnv>, email: string, password: string): Promise<Caller | undefined> => {
    const from = addressOf(c, config);
    const fingerprint = createHash('sha256').update(`${email}\n${password}\n${from}`).digest('base64');
    const token = recent.get(fingerprint);
    const remembered = token === undefined ? undefined : await authenticator.identify(token);
    if (remembered !== undefined) return remembered;
    const credentials = { email, ...withCode(password) };
    const identity = await authenticator.login(credentials, originOf(c, config)).catch((error) => {
      if (error instanceof TallyError && error.status === 401) return undefined;
      throw error;
    });
    // A code is taken once, and a browser sends it again and again.
    const ttl = credentials.code === undefined ? 60_000 : codeMemoryMs;
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

const codeMemoryMs = 4 * 3_600_000;

/** `password 123456`, where a second factor is on. */
function withCode(given: string): { password: string; code?: string } {
  const [, password, code] = /^(.+) (\d{6})$/s.exec(given) ?? [];
  return password === undefined || code === undefined ? { password: given } : { password, code };
}

/** Postgres can't look for a NUL. */
function basicOf(c: Context<ApiEnv>): { email: string; password: string } | undefined {
  const { username = '', password = '' } = basicAuth(c.req.raw) ?? {};
  return username === '' || `${username}${password}`.includes('\0') ? undefined : { email: username, password };
}

const isReading = (c: Context<ApiEnv>) => c.req.method === 'GET' || c.req.method === 'HEAD';

/**
 * CSRF protection: a browser sends Basic credentials with requests that other sites cause. `Sec-Fetch-Site` decides, which
 * no page can set; browsers omit it over plain HTTP, where `Origin` decides.
 */
function ownPagesOnly({ config }: ApiServices): MiddlewareHandler<ApiEnv> {
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

/** Puts the proxy's path into `<base>`, the only place where the board's page names its own address. */
const insidePrefix: MiddlewareHandler<ApiEnv> = async (c, next) => {
  await next();
  const prefix = c.get('prefix');
  if (prefix === '' || c.res.headers.get('content-type')?.startsWith('text/html') !== true) return;
  const page = await c.res.text();
  c.res = c.html(page.replace('<base href="', `$&${prefix}`));
};
