/** What test files start: over the run's own Postgres and Redis, and ended with the test or its file. */
export { startPlatform, startScriptedModel } from './platform.ts';
export {
  newBilling,
  newConfig,
  newDatabase,
  newStorage,
  ownPostgres,
  ownRedis,
  temporaryFolder,
  testLog,
} from './storage.ts';
