/** Errors, settings, logs, ids and batching shared by all packages. Imports no other package of Tally. */
export * from './api-keys.ts';
export * from './bounded-text.ts';
export * from './config.ts';
export * from './errors.ts';
export * from './group.ts';
export * from './ids.ts';
export * from './lifeline.ts';
export * from './logger.ts';
export * from './meta-windows.ts';
export * from './passwords.ts';
export * from './path-prefix.ts';
export * from './read-bounded.ts';
export * from './redis.ts';
export * from './redis-script.ts';
export * from './sealed.ts';
export { listSettings, type Setting } from './settings.ts';
export * from './storable.ts';
export * from './unreachable.ts';
