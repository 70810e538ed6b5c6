/** The AI tasks, and what a task is. */
export * as computations from './computations.ts';
export * from './context.ts';
export { customerChat } from './customer-chat/index.ts';
export * from './define-task.ts';
export * from './describe-product.ts';
export { instagramDm } from './instagram-dm/index.ts';
export * from './least-tokens.ts';
export * from './limits.ts';
export * from './page.ts';
export * from './page-address.ts';
export * from './product.ts';
export * from './registry.ts';
