/**
 * The baseline for the worker: BullMQ and the same model client with the same settings. It keeps its prompts in memory
 * and discards the answers, so it does less than any useful worker.
 */
import { connectRedis, createLogger, loadConfig, newId } from '@tally/core';
import { queuePrefix } from '@tally/queue';
import type { Message } from '@tally/tasks';
import { Worker } from 'bullmq';
import { createModelClient } from '../../apps/worker/src/model/client.ts';
import { createTraits } from '../../apps/worker/src/model/traits.ts';
import { answerCalls } from './answer-calls.ts';
import { bareQueueName } from './bare-queue.ts';

export type BarePrompt = { accountId: string; messages: Message[]; maxOutputTokens: number };

const config = loadConfig();
const { apiKey, baseUrl, model, timeoutMs, outputCap } = config.openai;
const traits = createTraits({ db: undefined, log: createLogger('bench', 'silent'), baseUrl, model, outputCap });
const client = createModelClient({ apiKey, baseUrl, model, traits });
let prompts: BarePrompt[] = [];
let running: { worker: Worker; redis: ReturnType<typeof connectRedis> } | undefined;

async function process_(prompt: BarePrompt | undefined): Promise<void> {
  if (prompt === undefined) throw new Error('no such prompt');
  const { signal } = new AbortController();
  await client.complete({ ...prompt, holdId: newId(), timeoutMs, signal });
}

async function work(): Promise<void> {
  const redis = connectRedis(config.redisUrls, 'consumer', () => undefined);
  const worker = new Worker<{ prompt: number }>(bareQueueName, ({ data }) => process_(prompts[data.prompt]), {
    connection: redis,
    prefix: queuePrefix(config.redisKeyPrefix),
    concurrency: config.workerConcurrency,
    lockDuration: 10_000,
    stalledInterval: 5_000,
    maxStalledCount: 1_000_000,
  });
  await worker.waitUntilReady();
  running = { worker, redis };
}

async function rest(): Promise<void> {
  await running?.worker.close();
  running?.redis.disconnect();
  running = undefined;
}

answerCalls(
  {
    work,
    rest,
    learn: (input: BarePrompt[]) => {
      prompts = input;
    },
  },
  { close: rest },
);
