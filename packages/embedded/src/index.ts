/** Runs the embedded services of `npm start` and the tests: PostgreSQL and redis-server as child processes. */
export { commandOf, isAlive } from './leftover.ts';
export { freePort, isFree } from './ports.ts';
export { type Postgres, type PostgresOptions, startPostgres } from './postgres.ts';
export { type Redis, type RedisOptions, startRedis } from './redis.ts';
export { findRedis } from './redis-server.ts';
