/** Errors, settings, logs, ids and batching shared by all packages. Imports no other package of Tally. */

export * from './config/config.ts';
export * from './config/path-prefix.ts';
export { listSettings, type Setting } from './config/settings.ts';
export * from './errors.ts';
export * from './group.ts';
export * from './ids.ts';
export * from './lifeline.ts';
export * from './logger.ts';
export * from './meta-windows.ts';
export * from './redis/redis.ts';
export * from './redis/script.ts';
export * from './secrets/api-keys.ts';
export * from './secrets/passwords.ts';
export * from './secrets/sealed.ts';
export * from './text.ts';
