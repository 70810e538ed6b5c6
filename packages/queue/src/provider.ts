/** Shared state of the model provider: its keys in Redis, and notifications of changes. */
import { type Config, idFrom, type RedisClient } from '@tally/core';

export type ProviderState = { mode: 'open' } | { mode: 'paced' } | { mode: 'blocked'; reason: string };

/** The keys of the configured provider; another URL, model or API key has its own state. */
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

/** Number of unanswered calls by kind; resets after a day without one, or when Redis loses its data. */
export async function readProviderRefusals(redis: RedisClient, refusalsKey: string): Promise<Map<string, number>> {
  return new Map(Object.entries(await redis.hgetall(refusalsKey)).map(([kind, count]) => [kind, Number(count)]));
}

const channelOf = (keyPrefix: string): string => `${keyPrefix}:provider`;

/** Notifies all workers that the provider's state has changed. */
export async function announceProvider(redis: RedisClient, keyPrefix: string): Promise<void> {
  await redis.publish(channelOf(keyPrefix), 'changed');
}

/** Calls `onNews` for every announcement; `redis` is a connection used only for subscriptions. */
export async function listenForProvider(redis: RedisClient, keyPrefix: string, onNews: () => void): Promise<void> {
  redis.on('message', (channel: string) => {
    if (channel === channelOf(keyPrefix)) onNews();
  });
  // Announcements made while the connection was down are lost.
  redis.on('ready', onNews);
  await redis.subscribe(channelOf(keyPrefix));
}
