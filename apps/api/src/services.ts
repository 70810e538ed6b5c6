/** What the API is made of, and the names that requests carry through it. */
import type { HttpBindings } from '@hono/node-server';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Billing } from '@tally/billing';
import type { Config, Logger, RedisClient } from '@tally/core';
import type { Database, Identity } from '@tally/db';
import type { Queues, Submitter } from '@tally/queue';
import type { Authenticator } from './auth/authenticate.ts';
import type { EventStreams } from './event-streams.ts';
import type { RateLimits } from './http/rate-limits.ts';
import type { JobChanges } from './job-changes.ts';

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
  log: Logger;
};

export type ApiEnv = {
  Variables: {
    requestId: string;
    identity: Identity;
    /** The path under which the client sees the API: what every address in an answer begins with, '' without a proxy's. */
    prefix: string;
  };
  Bindings: HttpBindings;
};

export type Api = OpenAPIHono<ApiEnv>;
