/** Moving jobs: submitting, queueing, recovering, and hearing of their changes. */
export * from './changes.ts';
export * from './heartbeat.ts';
export * from './queues.ts';
export * from './recover.ts';
export * from './submit.ts';
