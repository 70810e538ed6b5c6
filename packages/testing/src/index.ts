/** Starts Tally, its services and fakes of external services for tests and tools. */
export { type NewAccount, newAccount, testPassword } from './accounts.ts';
export { type CloseLater, createCleanUp, temporaryFolder } from './clean-up.ts';
export {
  type Answer,
  type Body,
  type CallOptions,
  type Client,
  costlyQuestion,
  createClient,
  type Job,
  questionPath,
  readMetrics,
  send,
} from './client.ts';
export { type FullAccount, newFullAccount, readColumns, textOf } from './full-account.ts';
export { holdLeaseMs, type Installation, startInstallation } from './installation.ts';
export { type Person, type Platform, type PlatformOptions, startPlatformOver } from './platform.ts';
export { type Process, root, runProcess, startProcess } from './processes.ts';
export { migrateAt, runOn, type Services, startServices, withDatabase } from './services.ts';
export { instagramSecret, metricsToken, testSettings } from './settings.ts';
export { startServer } from './stand-ins/http-server.ts';
export { type Asked, type Scripted, type ScriptedModel, startScriptedModel } from './stand-ins/scripted-model.ts';
export { type CutMoment, startProxy, type TcpProxy } from './stand-ins/tcp-proxy.ts';
export { until } from './wait.ts';
