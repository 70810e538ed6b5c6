/** Moving jobs: submitting, queueing, recovering, and hearing of their end. */
export * from './backlogs.ts';
export * from './cancel.ts';
export * from './ended.ts';
export * from './heartbeat.ts';
export * from './queues.ts';
export * from './ranks.ts';
export * from './recover.ts';
export * from './requeue.ts';
export * from './submit.ts';
