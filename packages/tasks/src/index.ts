/** The AI tasks and the types that define a task. */
export * from './context.ts';
export { customerChat } from './customer-chat/index.ts';
export * from './define-task.ts';
export { instagramDm } from './instagram-dm/index.ts';
export * from './registry.ts';
export * from './text-size.ts';
