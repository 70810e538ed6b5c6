/** Liveness (/health), readiness (/ready) and metrics (/metrics). */
import { setTimeout as sleep } from 'node:timers/promises';
import { isSameSecret, TallyError } from '@tally/core';
import { countWorkers, providerKeys, readProviderState } from '@tally/queue';
import { Hono } from 'hono';
import { bearerOf, operatorRefusal } from '../auth/require.ts';
import { sendError } from '../http/errors.ts';
import type { Metrics } from '../http/metrics.ts';
import type { ApiEnv, ApiServices } from '../services.ts';

const probeMs = 2_000;

export function healthRoutes({ db, redis, config, authenticator }: ApiServices, metrics: Metrics) {
  const provider = providerKeys(config.redisKeyPrefix, config.openai);
  return new Hono<ApiEnv>()
    .get('/health', (c) => c.json({ success: true, status: 'ok' }))
    .get('/ready', async (c) => {
      const [postgres, cache, workers] = await Promise.all([
        succeeds(db.hot.query('select 1')),
        succeeds(redis.ping()),
        succeeds(
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
      // Still ready: jobs are accepted while the provider is blocked, and wait.
      const state = await withTimeout(readProviderState(redis, provider.state));
      const blockedProvider = state?.mode === 'blocked' ? { provider: `waiting: ${state.reason}` } : {};
      return c.json({ success: true, ready: true, checks, ...blockedProvider });
    })
    .get('/metrics', async (c) => {
      const bearer = bearerOf(c);
      const isMonitor =
        bearer !== undefined && config.metricsToken !== undefined && isSameSecret(bearer, config.metricsToken);
      if (!isMonitor) {
        const caller = bearer === undefined ? undefined : await authenticator.identify(bearer);
        if (caller === undefined)
          throw new TallyError('unauthenticated', 'Send METRICS_TOKEN, or an operator’s token, as a bearer token');
        const refusal = operatorRefusal(caller, 'GET', config);
        if (refusal !== undefined) throw refusal;
      }
      return c.text(await metrics.text(), 200, { 'content-type': metrics.contentType });
    });
}

/** Whether a probe succeeds within the time limit. */
const succeeds = async (probe: Promise<unknown>): Promise<boolean> =>
  (await withTimeout(probe.then(() => true))) ?? false;

/** The result of a probe; undefined where it fails or exceeds the time limit. */
async function withTimeout<T>(probe: Promise<T>): Promise<T | undefined> {
  const timeout = sleep(probeMs, undefined, { ref: false });
  return Promise.race([probe.catch(() => undefined), timeout]);
}
