/** Starts an API process from its settings: connections, services, app and HTTP server. */
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
// `Prefer: wait` requests may take 30 s; a deploy does not wait for all of it.
const drainMs = 10_000;
/** Timeouts against slow clients. */
export type ClientTimeouts = {
  /** Slowloris timeout: for a whole request to arrive, since a partial one holds memory. */
  requestMs: number;
  /** Without a byte in either direction: an unread response holds memory. Longer than `Prefer: wait` stays silent. */
  silenceMs: number;
};
const defaultClientTimeouts: ClientTimeouts = { requestMs: 30_000, silenceMs: 60_000 };
// Node checks request timeouts every 30 s by default, which would double `requestMs`.
const checksPerRequest = 6;

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
      // Connections that finish their request during the shutdown would stay open idle for seconds.
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

/** The demo accounts' password is public. @throws Error where a demo account exists */
async function refuseDemoAccounts(db: Database): Promise<void> {
  const existing = await listDemoAccounts(db);
  if (existing.length === 0) return;
  throw new Error(
    `The demo accounts exist in this database (${existing.join(', ')}), and their password is in the README. Listen on loopback without PUBLIC_URL, or erase them first: npm run ops -- erase EMAIL (make an operator of your own before the last one)`,
  );
}

/** Tracks requests in progress, including those whose client has disconnected, which no open connection shows. */
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

/** Listens on the configured port or, where none is configured, on the first free one from 8000. */
async function listen(
  fetch: Api['fetch'],
  { host, port }: Config,
  { requestMs, silenceMs }: ClientTimeouts,
): Promise<{ server: ServerType; port: number }> {
  const last = port ?? defaultPort + portsTried - 1;
  const serverOptions = {
    requestTimeout: requestMs,
    headersTimeout: requestMs,
    connectionsCheckingInterval: Math.ceil(requestMs / checksPerRequest),
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
