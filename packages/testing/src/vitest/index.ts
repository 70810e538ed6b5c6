/** Fixtures for test files over the run's Postgres and Redis; each ends with its test or file. */
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
