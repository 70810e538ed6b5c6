/** Jobs, the stored outputs of their steps, and idempotency keys. */
import { integer, jsonb, pgTable, text, uuid } from '../drizzle.ts';
import { bytea, timestamptz } from './types.ts';

/** A job's life: `queued → running → completed | failed | rejected | cancelled`. */
export const jobStatuses = ['queued', 'running', 'completed', 'failed', 'rejected', 'cancelled'] as const;
export type JobStatus = (typeof jobStatuses)[number];

/** Whether a job in this status runs again only when it is requeued. */
export const isEnded = (status: JobStatus): boolean => status !== 'queued' && status !== 'running';

export const jobs = pgTable('jobs', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  task: text('task').notNull(),
  status: text('status').$type<JobStatus>().notNull().default('queued'),
  input: jsonb('input'),
  result: jsonb('result'),
  progress: text('progress'),
  error: text('error'),
  errorCode: text('error_code'),
  dispatch: integer('dispatch').notNull().default(1),
  fence: integer('fence').notNull().default(0),
  attempts: integer('attempts').notNull().default(0),
  waits: integer('waits').notNull().default(0),
  runAfter: timestamptz('run_after').notNull().defaultNow(),
  leaseExpiresAt: timestamptz('lease_expires_at'),
  createdAt: timestamptz('created_at').notNull().defaultNow(),
  startedAt: timestamptz('started_at'),
  finishedAt: timestamptz('finished_at'),
  cancelRequestedAt: timestamptz('cancel_requested_at'),
  claimKey: uuid('claim_key'),
  requeuedAt: timestamptz('requeued_at'),
});

export const jobSteps = pgTable('job_steps', {
  jobId: uuid('job_id').notNull(),
  step: text('step').notNull(),
  output: jsonb('output').notNull(),
  createdAt: timestamptz('created_at').notNull().defaultNow(),
});

export const idempotencyKeys = pgTable('idempotency_keys', {
  accountId: uuid('account_id').notNull(),
  key: text('key').notNull(),
  requestHash: bytea('request_hash').notNull(),
  jobId: uuid('job_id'),
  response: jsonb('response'),
  createdAt: timestamptz('created_at').notNull().defaultNow(),
});
