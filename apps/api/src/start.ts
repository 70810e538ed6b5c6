/** Builds an API process from its settings: connections, services, the app, and a server on a free port if need be. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ServerType, serve } from '@hono/node-server';
import { createBilling } from '@tally/billing';
import { type Config, connectRedis, type Logger, redisReady, sealKeysOf, warnOfRedis } from '@tally/core';
import { connectDatabase, type Database, listDemoAccounts } from '@tally/db';
import { createSubmitter, openQueues } from '@tally/queue';
import { type AnyTask, tasks as allTasks } from '@tally/tasks';
import { createApp } from './app.ts';
import { createAuthenticator } from './auth/authenticate.ts';
import { createTokens } from './auth/tokens.ts';
import { createRateLimits } from './http/rate-limits.ts';
import { createJobChanges } from './jobs/changes.ts';
import { createEventStreams, type StreamLimits } from './jobs/event-streams.ts';
import { limits } from './limits.ts';
import { createMailer } from './mail/mailer.ts';
import type { Api, ApiServices } from './services.ts';
import { createTextThreads } from './text-threads/pool.ts';

const jwtSecretsOf = ({ jwtSecret, alsoAccepted }: Config): [string, ...string[]] =>
  alsoAccepted.jwtSecret === undefined ? [jwtSecret] : [jwtSecret, alsoAccepted.jwtSecret];

export type RunningApi = { url: string; app: Api; services: ApiServices; close(): Promise<void> };

const defaultPort = 8_000;
const portsTried = 100;
const redisStartMs = 10_000;
// Requests that wait for a job may take 30 s; a deploy doesn't wait for all of that.
const drainMs = 10_000;
/** How long a client may take. */
export type ClientTimeouts = {
  /** For a whole request to arrive: who drips it in holds memory that others need. */
  requestMs: number;
  /** Without a byte in either direction: who doesn't read an answer holds it. Longer than `Prefer: wait` is silent. */
  silenceMs: number;
};
const defaultClientTimeouts: ClientTimeouts = { requestMs: 30_000, silenceMs: 60_000 };
// Node looks at the clock every 30 s by default, which would double the time for a request.
const looksPerRequest = 6;

/** Connects and listens. @throws Error where the port is taken or Redis doesn't answer within 10 s */
export async function startApi(
  config: Config,
  log: Logger,
  options: { tasks?: readonly AnyTask[]; streams?: Partial<StreamLimits>; clientTimeouts?: ClientTimeouts } = {},
): Promise<RunningApi> {
  const tasks = options.tasks ?? allTasks;
  const db = connectDatabase({ url: config.databaseUrl, name: 'api', log });
  const redis = connectRedis(config.redisUrls, 'producer', warnOfRedis(log));
  await redisReady(redis, redisStartMs);
  if (!config.isLocal) await refuseDemoAccounts(db);
  const keyPrefix = config.redisKeyPrefix;
  const queues = openQueues({ redis, keyPrefix, taskNames: tasks.map((task) => task.name), log });
  const rateLimits = createRateLimits(redis, config);
  const authenticator = createAuthenticator({
    db,
    tokens: createTokens(jwtSecretsOf(config)),
    rateLimits,
    sealKeys: sealKeysOf(config),
  });
  let address = '';
  const services: ApiServices = {
    config,
    db,
    redis,
    queues,
    rateLimits,
    log,
    billing: createBilling({ db, redis, keyPrefix, log }),
    submitter: createSubmitter({ db, queues, log, maxQueuedJobs: config.limits.queuedJobs }),
    authenticator,
    jobChanges: createJobChanges({ db, redisUrls: config.redisUrls, keyPrefix, log }),
    eventStreams: createEventStreams(
      { ...limits.streams, ...options.streams },
      async (bearer) => (await authenticator.identify(bearer)) !== undefined,
    ),
    textThreads: createTextThreads(),
    mailer: createMailer({ ...config.mail, log }),
    ownAddress: () => address,
  };
  const app = createApp(services, tasks);
  const requests = countRequests(app.fetch);
  const { server, port } = await listen(requests.fetch, config, options.clientTimeouts ?? defaultClientTimeouts);
  address = `http://${config.host}:${port}`;

  async function close(): Promise<void> {
    services.eventStreams.close();
    services.jobChanges.endWaits();
    await new Promise<void>((resolve) => {
      const limit = setTimeout(() => 'closeAllConnections' in server && server.closeAllConnections(), drainMs);
      server.close(() => {
        clearTimeout(limit);
        clearInterval(idle);
        resolve();
      });
      // Those that finish their request from now on are idle afterwards, and would stay for seconds.
      const idle = setInterval(() => 'closeIdleConnections' in server && server.closeIdleConnections(), 50);
    });
    await requests.ended(drainMs);
    services.jobChanges.close();
    services.mailer.close();
    await services.textThreads.close();
    await queues.close();
    redis.disconnect();
    await db.close();
  }
  return { url: address, app, services, close };
}

/** Everybody knows their password. @throws Error where one exists */
async function refuseDemoAccounts(db: Database): Promise<void> {
  const there = await listDemoAccounts(db);
  if (there.length === 0) return;
  throw new Error(
    `The demo accounts exist in this database (${there.join(', ')}), and their password is in the README. Listen on loopback without PUBLIC_URL, or erase them first: npm run ops -- erase EMAIL (make an operator of your own before the last one)`,
  );
}

/** Knows which requests are still worked on, those whose client has gone included: no connection of theirs says so. */
function countRequests(fetch: Api['fetch']): { fetch: Api['fetch']; ended(limitMs: number): Promise<void> } {
  const open = new Set<Promise<unknown>>();
  return {
    fetch: (...args) => {
      const answer = Promise.resolve(fetch(...args));
      open.add(answer);
      const forget = () => open.delete(answer);
      answer.then(forget, forget);
      return answer;
    },
    ended: async (limitMs) => {
      await Promise.race([Promise.allSettled(open), sleep(limitMs, undefined, { ref: false })]);
    },
  };
}

/** Listens on the configured port or, where none is configured, on the first from 8000 up that is free. */
async function listen(
  fetch: Api['fetch'],
  { host, port }: Config,
  { requestMs, silenceMs }: ClientTimeouts,
): Promise<{ server: ServerType; port: number }> {
  const last = port ?? defaultPort + portsTried - 1;
  const serverOptions = {
    requestTimeout: requestMs,
    headersTimeout: requestMs,
    connectionsCheckingInterval: Math.ceil(requestMs / looksPerRequest),
  };
  for (let candidate = port ?? defaultPort; ; candidate++) {
    const server = serve({ fetch, hostname: host, port: candidate, serverOptions });
    server.setTimeout(silenceMs);
    try {
      await once(server, 'listening');
      const address = server.address();
      return { server, port: typeof address === 'object' && address !== null ? address.port : candidate };
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
      if (!isTaken) throw error;
      if (candidate >= last) throw new Error(`Port ${candidate} is taken: set PORT to another one`, { cause: error });
    }
  }
}
