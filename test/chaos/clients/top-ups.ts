/** The operator: tops up the `short` tenant and sometimes starts a new subscription period for it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.ts';
import type { World } from '../world.ts';
import { type Answer, send } from './http.ts';

export type TopUps = { stop(): Promise<void> };

const periodTokens = 8_000;
const repeatAfterMs = 1_000;
/** An API that dies during a request leaves its idempotency key blocked for a minute. */
const repeatForMs = 80_000;
/** Answers after which the request is repeated: none, unavailable, or the same request still in progress. */
const passing = [undefined, 503, 409];

/** Every request has an idempotency key, is repeated until it is answered, and sometimes sent once more. */
export function startTopUps(world: World, random: Random): TopUps {
  const { tenants, journal, fleet } = world;
  const { email } = tenants.short;
  const stopped = new AbortController();

  async function ask(path: string, key: string, body: object, apiIndex: number): Promise<Answer | undefined> {
    const api = fleet.apis[apiIndex % fleet.apis.length];
    const headers = { 'idempotency-key': key };
    return send(api?.url ?? '', { method: 'POST', path, token: tenants.operator.token, body, headers });
  }

  async function askUntilAnswered(path: string, key: string, body: object): Promise<boolean> {
    const until = Date.now() + repeatForMs;
    for (let apiIndex = random.int(0, 1); Date.now() < until; apiIndex++) {
      const answer = await ask(path, key, body, apiIndex);
      if (answer?.status === 201) return true;
      if (!passing.includes(answer?.status)) {
        journal.addViolation(
          'answers',
          `${path} answers the operator ${answer?.status}: ${JSON.stringify(answer?.body)}`,
        );
        return false;
      }
      await sleep(repeatAfterMs);
    }
    journal.addViolation('answers', `${path} was not answered within ${repeatForMs} ms`);
    return false;
  }

  async function keepToppingUp(): Promise<void> {
    for (let number = 1; !stopped.signal.aborted; number++) {
      await sleep(random.int(2_000, 5_000), undefined, { signal: stopped.signal }).catch(() => undefined);
      if (stopped.signal.aborted) return;
      if (random.chance(0.1)) {
        const body = { email, plan: 'starter', tokens: periodTokens };
        await askUntilAnswered('/api/admin/subscriptions', `period-${number}`, body);
        continue;
      }
      const key = `top-up-${number}`;
      const tokens = random.int(2_000, 6_000);
      const body = { email, tokens, reason: key };
      if (await askUntilAnswered('/api/admin/grants', key, body)) journal.topUps.set(key, tokens);
      if (random.chance(0.3)) await ask('/api/admin/grants', key, body, random.int(0, 1));
    }
  }

  const loop = keepToppingUp();
  return {
    async stop() {
      stopped.abort();
      await loop;
    },
  };
}
