/** Entry point of the worker process: starts it, and stops it on a signal. */
import { createLogger, loadWorkerConfig, onShutdown, reportReady } from '@tally/core';
import { shutdownLimitMs } from './services.ts';
import { startWorker } from './start.ts';

try {
  const config = loadWorkerConfig();
  const log = createLogger('worker', config.logLevel);
  const worker = await startWorker(config, log);
  onShutdown(async (why) => {
    log.info({ why }, 'worker stops taking jobs');
    await worker.close();
    log.info('worker stopped');
  }, shutdownLimitMs);
  log.info({ concurrency: config.workerConcurrency, model: config.openai.model }, 'worker ready');
  reportReady();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
