/** Entry point of the API process. */
import { setFlagsFromString } from 'node:v8';
import { createLogger, loadConfig, onShutdown, reportReady } from '@tally/core';
import { startApi } from './start.ts';

const shutdownLimitMs = 15_000;

// V8 lets the heap grow to a multiple of the live data, so a burst of webhooks would leave hundreds of megabytes
// allocated for the life of the process. Collecting at twice the live data keeps that to tens of megabytes.
setFlagsFromString('--heap-growing-percent=100');

try {
  const config = loadConfig();
  const log = createLogger('api', config.logLevel);
  const api = await startApi(config, log);
  onShutdown(async (why) => {
    log.info({ why }, 'api stops accepting requests');
    await api.close();
    log.info('api stopped');
  }, shutdownLimitMs);
  log.info({ url: api.url }, 'api ready');
  reportReady({ url: api.url });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
