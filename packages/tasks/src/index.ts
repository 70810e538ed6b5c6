/** The AI tasks, and what a task is. */
export * from './define-task.ts';
export * from './limits.ts';
export * from './registry.ts';
