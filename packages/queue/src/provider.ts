/** What all processes share of the model's provider: where its state stands in Redis, and the news that it has changed. */
import { type Config, idFrom, type RedisClient } from '@tally/core';

export type ProviderState = { mode: 'open' } | { mode: 'paced' } | { mode: 'blocked'; reason: string };

/** The keys of the provider in use: with another address, key or model nothing is known. */
export function providerKeys(keyPrefix: string, { baseUrl, model, apiKey }: Config['openai']) {
  const id = idFrom(`${baseUrl ?? ''} ${model} ${apiKey}`);
  const key = (part: string) => `${keyPrefix}:{provider:${id}}:${part}`;
  return {
    id,
    state: key('state'),
    turns: key('turns'),
    accounts: key('accounts'),
    failing: key('failing'),
    refusals: key('refusals'),
  };
}

export async function readProviderState(redis: RedisClient, stateKey: string): Promise<ProviderState> {
  const [mode, reason] = await redis.hmget(stateKey, 'mode', 'reason');
  if (mode === 'blocked') return { mode, reason: reason ?? '' };
  return { mode: mode === 'paced' ? mode : 'open' };
}

/** How many calls were not answered, by kind, since Redis was emptied or a day passed without one. */
export async function readProviderRefusals(redis: RedisClient, refusalsKey: string): Promise<Map<string, number>> {
  return new Map(Object.entries(await redis.hgetall(refusalsKey)).map(([kind, count]) => [kind, Number(count)]));
}

const channelOf = (keyPrefix: string): string => `${keyPrefix}:provider`;

/** Tells all workers that the provider's state has changed. */
export async function announceProvider(redis: RedisClient, keyPrefix: string): Promise<void> {
  await redis.publish(channelOf(keyPrefix), 'changed');
}

/** Calls `onNews` for every announcement; `redis` is a connection for subscriptions alone. */
export async function listenForProvider(redis: RedisClient, keyPrefix: string, onNews: () => void): Promise<void> {
  redis.on('message', (channel: string) => {
    if (channel === channelOf(keyPrefix)) onNews();
  });
  // What was told while the connection was away is lost.
  redis.on('ready', onNews);
  await redis.subscribe(channelOf(keyPrefix));
}
