/** Postgres: the tables, the migrations, and one function a query. */
export * from './connect.ts';
export * from './duty.ts';
export * from './migrate.ts';
export * from './queries/accounts.ts';
export * from './queries/audit.ts';
export * from './queries/balances.ts';
export * from './queries/claim-jobs.ts';
export * from './queries/holds.ts';
export * from './queries/idempotency.ts';
export * from './queries/jobs.ts';
export * from './queries/knowledge.ts';
export * from './queries/recover-jobs.ts';
export * from './queries/settle.ts';
export * from './queries/submit-jobs.ts';
export * from './queries/subscriptions.ts';
export { isEnded, type JobStatus, jobStatuses } from './schema.ts';
