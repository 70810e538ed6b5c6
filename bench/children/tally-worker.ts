/** The worker of `npm run worker`, started and stopped by calls, so that it is idle while the baseline is measured. */
import { createLogger, loadConfig } from '@tally/core';
import { type RunningWorker, startWorker } from '../../apps/worker/src/start.ts';
import { answerCalls } from './answer-calls.ts';

const config = loadConfig();
const log = createLogger('worker', config.logLevel);
let worker: RunningWorker | undefined;

async function rest(): Promise<void> {
  await worker?.close();
  worker = undefined;
}

answerCalls(
  {
    work: async () => {
      worker = await startWorker(config, log);
    },
    rest,
  },
  { close: rest },
);
