/** Whether the process lives, whether the platform works, and what it counts. */
import { TallyError } from '@tally/core';
import { countWorkers } from '@tally/queue';
import { Hono } from 'hono';
import { sendError } from '../http/errors.ts';
import type { Metrics } from '../http/metrics.ts';
import type { ApiEnv, ApiServices } from '../services.ts';

const probeMs = 2_000;

export function healthRoutes({ db, redis, config }: ApiServices, metrics: Metrics) {
  return new Hono<ApiEnv>()
    .get('/health', (c) => c.json({ success: true, status: 'ok' }))
    .get('/ready', async (c) => {
      const [postgres, cache, workers] = await Promise.all([
        answers(db.hot.query('select 1')),
        answers(redis.ping()),
        answers(
          countWorkers(redis, config.redisKeyPrefix).then((count) => count > 0 || Promise.reject(new Error('none'))),
        ),
      ]);
      const checks = { postgres, redis: cache, workers };
      const missing = Object.entries(checks).flatMap(([name, isThere]) => (isThere ? [] : [name]));
      if (missing.length > 0)
        return sendError(
          c,
          new TallyError('unavailable', `Not ready: no ${missing.join(', no ')}`, { details: checks }),
        );
      return c.json({ success: true, ready: true, checks });
    })
    .get('/metrics', async (c) => c.text(await metrics.text(), 200, { 'content-type': metrics.contentType }));
}

/** Whether a probe succeeds soon. */
async function answers(probe: Promise<unknown>): Promise<boolean> {
  const tooLate = new Promise<boolean>((resolve) => setTimeout(resolve, probeMs, false).unref());
  return Promise.race([probe.then(() => true).catch(() => false), tooLate]);
}
