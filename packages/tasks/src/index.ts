/** The AI tasks, and what a task is. */
export * from './context.ts';
export { customerChat } from './customer-chat/index.ts';
export * from './define-task.ts';
export { instagramDm } from './instagram-dm/index.ts';
export * from './limits.ts';
export * from './min-tokens.ts';
export * from './registry.ts';
