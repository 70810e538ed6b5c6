/** The services of an API process, and the variables of a request context. */
import type { HttpBindings } from '@hono/node-server';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Billing } from '@tally/billing';
import type { Config, Logger, RedisClient } from '@tally/core';
import type { Database } from '@tally/db';
import type { Queues, Submitter } from '@tally/queue';
import type { Authenticator, Caller } from './auth/authenticate.ts';
import type { RateLimits } from './http/rate-limits.ts';
import type { JobChanges } from './jobs/changes.ts';
import type { EventStreams } from './jobs/event-streams.ts';
import type { Mailer } from './mail/mailer.ts';
import type { TextThreads } from './text-threads/pool.ts';

export type ApiServices = {
  config: Config;
  db: Database;
  redis: RedisClient;
  billing: Billing;
  queues: Queues;
  submitter: Submitter;
  authenticator: Authenticator;
  rateLimits: RateLimits;
  jobChanges: JobChanges;
  eventStreams: EventStreams;
  textThreads: TextThreads;
  mailer: Mailer;
  /** The URL that this process listens on; '' before it does. */
  ownAddress(): string;
  log: Logger;
};

export type ApiEnv = {
  Variables: {
    requestId: string;
    identity: Caller;
    /** The path prefix that a proxy strips, which every URL in a response needs; '' without one. */
    prefix: string;
  };
  Bindings: HttpBindings;
};

export type Api = OpenAPIHono<ApiEnv>;
