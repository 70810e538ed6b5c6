/** What the API is made of, and the names that requests carry through it. */
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
  /** Where this process listens. */
  ownAddress(): string;
  log: Logger;
};

export type ApiEnv = {
  Variables: {
    requestId: string;
    identity: Caller;
    /** The path that a proxy strips, which every address in an answer begins with; '' without one. */
    prefix: string;
  };
  Bindings: HttpBindings;
};

export type Api = OpenAPIHono<ApiEnv>;
