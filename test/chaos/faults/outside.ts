/** Faults of the model and Instagram, injected by rules of the sandbox. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Tenants } from '../clients/tenants.ts';
import type { Fault } from './fault.ts';

const limitMs = 20_000;
/** Longer, because the shared rate must recover and serves a backlog. */
const pacedLimitMs = 40_000;

/** Accounts that model faults affect: all but the canary, whose jobs measure recovery of the inside lane. */
const affectedTenants = ({ rich, poor, short, instagram }: Tenants) => [rich, poor, short, instagram];

function modelFault(name: string, rule: object, probability = 0.6): Fault {
  return {
    name: `model-${name}`,
    lane: 'outside',
    limitMs,
    async inject({ sandbox, tenants }, random) {
      const seed = random.int(1, 1_000_000);
      const rules = affectedTenants(tenants).map(({ accountId }) => ({
        ...rule,
        probability,
        seed,
        match: { user: accountId },
      }));
      await sandbox.setModelFaults(rules);
      await sleep(random.int(2_000, 5_000));
      await sandbox.setModelFaults([]);
      return { overAt: Date.now() };
    },
  };
}

function instagramFault(name: string, rule: object, probability = 0.7): Fault {
  return {
    name: `instagram-${name}`,
    lane: 'outside',
    limitMs,
    async inject({ sandbox }, random) {
      await sandbox.setInstagramFaults([{ ...rule, probability, seed: random.int(1, 1_000_000) }]);
      await sleep(random.int(5_000, 8_000));
      await sandbox.setInstagramFaults([]);
      return { overAt: Date.now() };
    },
  };
}

export const outsideFaults: Fault[] = [
  modelFault('server-error', { kind: 'server_error' }),
  // All accounts share the provider's rate, so a measurement of the other lane would wait as well.
  { ...modelFault('rate-limit', { kind: 'rate_limit', retry_after_s: 2 }), limitMs: pacedLimitMs, isExclusive: true },
  {
    ...modelFault('unavailable', { kind: 'unavailable', retry_after_ms: 500 }),
    limitMs: pacedLimitMs,
    isExclusive: true,
  },
  modelFault('hang', { kind: 'hang' }, 0.3),
  modelFault('drip', { kind: 'drip', drip_bytes: 20, drip_interval_ms: 100 }),
  modelFault('slow', { kind: 'slow', delay_ms: 2_000 }),
  modelFault('reset', { kind: 'reset' }),
  modelFault('reset-midway', { kind: 'reset', after_headers: true }),
  modelFault('html', { kind: 'html' }),
  modelFault('invalid-json', { kind: 'invalid_json' }),
  modelFault('wrong-schema', { kind: 'wrong_schema' }),
  modelFault('no-usage', { kind: 'no_usage' }),
  modelFault('usage-negative', { kind: 'absurd_usage', usage: 'negative' }),
  modelFault('usage-fractional', { kind: 'absurd_usage', usage: 'fractional' }),
  modelFault('usage-huge', { kind: 'absurd_usage', usage: 'huge' }),
  modelFault('usage-strings', { kind: 'absurd_usage', usage: 'strings' }),
  modelFault('over-limit', { kind: 'over_limit', tokens: 200 }),
  instagramFault('slow-down', { kind: 'error', code: 4, retry_after_s: 2 }),
  instagramFault('no-answer', { kind: 'hang_before_delivery' }, 0.5),
  instagramFault('no-answer-though-sent', { kind: 'hang_after_delivery' }, 0.5),
  instagramFault('reset', { kind: 'reset' }),
  instagramFault('reset-though-sent', { kind: 'reset_after_delivery' }),
];
