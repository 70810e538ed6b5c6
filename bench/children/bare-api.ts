/** The baseline for the API: Hono with `queue.add`, without authentication or validation. */
import { serve } from '@hono/node-server';
import { loadConfig, newId } from '@tally/core';
import { queuePrefix } from '@tally/queue';
import { QueueEvents } from 'bullmq';
import { Hono } from 'hono';
import { answerCalls } from './answer-calls.ts';
import { bareQueueName, openBareQueue } from './bare-queue.ts';

const waitLimitMs = 30_000;

const config = loadConfig();
const { queue, close } = await openBareQueue(config);
let listening: Promise<QueueEvents> | undefined;

/** Opened only for requests that wait, because receiving every event costs time. */
async function listen(): Promise<QueueEvents> {
  const connection = { url: config.redisUrls[0] ?? '' };
  const events = new QueueEvents(bareQueueName, { connection, prefix: queuePrefix(config.redisKeyPrefix) });
  await events.waitUntilReady();
  return events;
}

const app = new Hono();
app.post('/jobs', async (c) => {
  const job = await queue.add(bareQueueName, await c.req.json(), { jobId: newId() });
  if (c.req.header('prefer') === undefined) return c.json({ job_id: job.id }, 202);
  listening ??= listen();
  await job.waitUntilFinished(await listening, waitLimitMs);
  return c.json({ job_id: job.id }, 200);
});
const server = serve({ fetch: app.fetch, hostname: config.host, port: 0 }, ({ port }) =>
  answerCalls(
    {},
    {
      url: `http://${config.host}:${port}`,
      close: async () => {
        server.close();
        await (await listening)?.close();
        await close();
      },
    },
  ),
);
