/** The ledger: reserve before every model call, settle what was used, and one balance for everybody. */
export * from './audit.ts';
export * from './balance.ts';
export * from './grant.ts';
export { release, removeFromRedis } from './release.ts';
export * from './reserve.ts';
export * from './reserve-excess.ts';
export * from './services.ts';
export * from './settle.ts';
export * from './subscribe.ts';
