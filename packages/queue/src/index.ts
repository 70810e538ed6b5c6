/** Submits, enqueues, cancels, requeues and recovers jobs, and publishes their changes. */
export * from './backlogs.ts';
export * from './cancel.ts';
export * from './changes.ts';
export * from './enqueue-soon.ts';
export * from './heartbeat.ts';
export * from './priorities.ts';
export * from './provider.ts';
export * from './queues.ts';
export * from './recover.ts';
export * from './requeue.ts';
export * from './submit.ts';
