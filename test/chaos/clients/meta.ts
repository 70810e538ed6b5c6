/** Simulates Meta's webhook delivery: late, duplicated, out of order, and repeated until a 200. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.ts';
import type { World } from '../world.ts';
import { igUserId } from './tenants.ts';

export type Meta = {
  /** Stops new comments and messages; resolves once all pending events are delivered. */
  stop(): Promise<void>;
};

const commentsPerSecond = 0.7;
const messagesPerSecond = 1;
const people = 250;
const repeatAfterMs = 700;
const deliverLimitMs = 90_000;
const timeoutMs = 5_000;
/** Tally ignores events older than Meta's reply windows; this delay is far below them. */
const latestMs = 2_500;

/** Fires comments and messages, and relays the sandbox's webhooks, including echoes, to both APIs. */
export async function startMeta(world: World, random: Random): Promise<Meta> {
  const { fleet, journal, sandbox, system } = world;
  const deliveries = new Set<Promise<void>>();
  const draws = random.fork('deliveries');

  /** Posts until a 200; the sandbox's own request was answered before. */
  async function deliver(body: string, signature: string, apiIndex: number): Promise<void> {
    const until = Date.now() + deliverLimitMs;
    for (let tries = 0; Date.now() < until; tries++) {
      const api = fleet.apis[(apiIndex + tries) % fleet.apis.length];
      if ((await post(`${api?.url}/webhooks/instagram`, body, signature)) === 200) {
        for (const key of keysOf(body)) journal.events.add(key);
        return;
      }
      await sleep(repeatAfterMs);
    }
    journal.addViolation('webhooks', `no API accepted a webhook within ${deliverLimitMs} ms: ${body.slice(0, 300)}`);
  }

  async function deliverWithDelay(body: string, signature: string): Promise<void> {
    const apiIndex = draws.int(0, fleet.apis.length - 1);
    const isDoubled = draws.chance(0.3);
    const lateMs = draws.chance(0.3) ? draws.int(0, latestMs) : 0;
    await sleep(lateMs);
    await Promise.all([
      deliver(body, signature, apiIndex),
      isDoubled ? deliver(body, signature, apiIndex + 1) : undefined,
    ]);
  }

  const relay = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    response.end();
    const body = Buffer.concat(parts).toString();
    const delivery = deliverWithDelay(body, String(request.headers['x-hub-signature-256']));
    deliveries.add(delivery);
    void delivery.finally(() => deliveries.delete(delivery));
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  await sandbox.setWebhookUrl(`http://127.0.0.1:${(relay.address() as AddressInfo).port}/`);

  const stopped = new AbortController();
  async function keepFiring(kind: 'comment' | 'message', perSecond: number): Promise<void> {
    const own = random.fork(kind);
    for (let number = 1; !stopped.signal.aborted; number++) {
      const from = { id: `55000000${own.int(1, people)}`, username: `customer.${number}` };
      const text = `How much is the lamp? (${kind} ${number})`;
      const fired = { kind, ig_user_id: igUserId, from, text };
      await fire(system.sandbox.url, fired).catch((error) => world.say(`an event was not fired: ${String(error)}`));
      await sleep(own.int(0, 2_000 / perSecond), undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  }
  const loops = [keepFiring('comment', commentsPerSecond), keepFiring('message', messagesPerSecond)];

  return {
    async stop() {
      stopped.abort();
      await Promise.all(loops);
      while (deliveries.size > 0) await Promise.all(deliveries);
    },
  };
}

async function fire(sandboxUrl: string, event: object): Promise<void> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(event) };
  const response = await fetch(`${sandboxUrl}/sandbox/instagram/fire`, init);
  if (!response.ok) throw new Error(await response.text());
}

/** Returns the status; undefined where no answer came. */
async function post(url: string, body: string, signature: string): Promise<number | undefined> {
  const headers = { 'content-type': 'application/json', 'x-hub-signature-256': signature };
  const signal = AbortSignal.timeout(timeoutMs);
  return fetch(url, { method: 'POST', headers, body, signal }).then(
    async (response) => {
      await response.arrayBuffer();
      return response.status;
    },
    () => undefined,
  );
}

type Body = {
  entry: {
    id: string;
    changes?: { value: { id: string } }[];
    messaging?: { message: { mid: string; is_echo?: boolean } }[];
  }[];
};

/** The dedupe keys of a body's events, as apps/api/src/instagram/read-events.ts builds them. */
function keysOf(body: string): string[] {
  return (JSON.parse(body) as Body).entry.flatMap(({ id, changes = [], messaging = [] }) => [
    ...changes.map(({ value }) => `comment:${id}:${value.id}`),
    ...messaging.map(({ message }) => `${message.is_echo === true ? 'echo' : 'mid'}:${id}:${message.mid}`),
  ]);
}
