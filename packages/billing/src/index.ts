/** The ledger: reserves tokens before every model call, settles actual usage, and reads balances. */
export * from './audit.ts';
export * from './balance.ts';
export * from './grant.ts';
export { release, removeFromRedis } from './release.ts';
export * from './reserve.ts';
export * from './reserve-excess.ts';
export * from './services.ts';
export * from './settle.ts';
export * from './subscribe.ts';
