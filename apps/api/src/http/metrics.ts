/** Prometheus metrics of an API process. */
import { countAlarms, readUnbilledUsage, readUnpaidUsage } from '@tally/db';
import { providerKeys, readProviderRefusals, readProviderState } from '@tally/queue';
import type { MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ApiEnv, ApiServices } from '../services.ts';

export type Metrics = { middleware: MiddlewareHandler<ApiEnv>; text(): Promise<string>; contentType: string };

/**
 * Request durations by route and status; queue lengths, open streams, alarms and the provider's state are read at each
 * scrape.
 */
export function createMetrics({
  queues,
  eventStreams,
  db,
  redis,
  config,
}: Pick<ApiServices, 'queues' | 'eventStreams' | 'db' | 'redis' | 'config'>): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const duration = new Histogram({
    name: 'tally_http_request_duration_seconds',
    help: 'How long requests took',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30],
    registers: [registry],
  });
  new Gauge({
    name: 'tally_queue_jobs',
    help: 'Jobs on the queues by state',
    labelNames: ['queue', 'state'],
    registers: [registry],
    async collect() {
      for (const [name, queue] of queues.byTask) {
        const counts = await queue.getJobCounts('wait', 'prioritized', 'active', 'delayed', 'failed').catch(() => ({}));
        for (const [state, count] of Object.entries(counts)) this.set({ queue: name, state }, count);
      }
    },
  });
  new Gauge({
    name: 'tally_alarms',
    help: 'Alarms that hold: what no program may mend (npm run ops -- alarms)',
    registers: [registry],
    async collect() {
      // A Postgres outage shows in /ready.
      const count = await countAlarms(db).catch(() => undefined);
      if (count !== undefined) this.set(count);
    },
  });
  new Gauge({
    name: 'tally_unpaid_tokens',
    help: 'Tokens that models used in the last hour, by model, beyond what their calls held and accounts could pay',
    labelNames: ['model'],
    registers: [registry],
    async collect() {
      const unpaid = await readUnpaidUsage(db).catch(() => undefined);
      if (unpaid === undefined) return;
      this.reset();
      for (const { model, unpaidTokens } of unpaid) this.set({ model }, unpaidTokens);
    },
  });
  new Gauge({
    name: 'tally_unbilled_tokens',
    help: 'Tokens that models used in the last hour and nobody is billed for, by model and what became of the call',
    labelNames: ['model', 'outcome'],
    registers: [registry],
    async collect() {
      const unbilled = await readUnbilledUsage(db).catch(() => undefined);
      if (unbilled === undefined) return;
      this.reset();
      for (const { model, outcome, unbilledTokens } of unbilled) this.set({ model, outcome }, unbilledTokens);
    },
  });
  const provider = providerKeys(config.redisKeyPrefix, config.openai);
  new Gauge({
    name: 'tally_provider_state',
    help: 'How the provider of the model takes calls: 1 for open, paced (by its rate limit) or blocked (nothing is answered)',
    labelNames: ['state'],
    registers: [registry],
    async collect() {
      // A Redis outage shows in /ready.
      const state = await readProviderState(redis, provider.state).catch(() => undefined);
      if (state === undefined) return this.reset();
      for (const mode of ['open', 'paced', 'blocked']) this.set({ state: mode }, mode === state.mode ? 1 : 0);
    },
  });
  new Counter({
    name: 'tally_provider_refusals_total',
    help: 'Calls that the provider did not answer, by kind; Redis being emptied starts again at 0',
    labelNames: ['kind'],
    registers: [registry],
    async collect() {
      const refusals = await readProviderRefusals(redis, provider.refusals).catch(() => undefined);
      if (refusals === undefined) return;
      this.reset();
      for (const [kind, count] of refusals) this.inc({ kind }, count);
    },
  });
  new Gauge({
    name: 'tally_event_streams',
    help: 'Event streams that are open',
    registers: [registry],
    collect() {
      this.set(eventStreams.count());
    },
  });
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    middleware: async (c, next) => {
      const startedAt = performance.now();
      await next();
      // The registered route pattern, so that unknown paths add no labels.
      const labels = { method: c.req.method, route: routePath(c), status: c.res.status };
      duration.observe(labels, (performance.now() - startedAt) / 1_000);
    },
  };
}
