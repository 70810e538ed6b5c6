/** Starts the sandbox as a process of its own. */
import { createLogger, onShutdown, reportReady } from '@tally/core';
import { readConfig } from './config.ts';
import { createSandbox } from './server.ts';

const shutdownLimitMs = 5_000;

const config = readConfig();
const logger = createLogger('sandbox', config.logLevel);
const sandbox = createSandbox({ apiKey: config.apiKey, delayMs: config.delayMs, logger });
const listener = await sandbox.listen(config.port, config.host);

onShutdown(() => listener.close(), shutdownLimitMs);
logger.info({ url: listener.url }, 'sandbox is ready');
reportReady({ url: listener.url });
