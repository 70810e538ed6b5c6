/** Runs the Lua scripts beside this file by their hash, and sends the text where Redis has forgotten it. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { RedisClient } from '@tally/core';

type Script = { text: string; sha1: string };

function load(name: string): Script {
  const text = readFileSync(new URL(`lua/${name}.lua`, import.meta.url), 'utf8');
  return { text, sha1: createHash('sha1').update(text).digest('hex') };
}

/** One entry a verb; each file's header lists its KEYS, ARGV and answer. */
export const scripts = {
  reserve: load('reserve'),
  settle: load('settle'),
  hydrateBegin: load('hydrate_begin'),
  hydrateApply: load('hydrate_apply'),
  repair: load('repair'),
  inspect: load('inspect'),
} as const;

/**
 * EVALSHA, then EVAL after a NOSCRIPT. ioredis' own `defineCommand` trusts its memory of what was loaded when it
 * pipelines, and fails for a minute after SCRIPT FLUSH.
 */
export async function runScript(
  redis: RedisClient,
  script: Script,
  keys: string[],
  args: (string | number)[],
): Promise<unknown> {
  try {
    return await redis.evalsha(script.sha1, keys.length, ...keys, ...args);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return redis.eval(script.text, keys.length, ...keys, ...args);
  }
}

/** The keys of one subscription; the hash tag keeps them on one node of a cluster. */
export function keysOf(prefix: string, subscriptionId: string) {
  const key = (part: string) => `${prefix}:{sub:${subscriptionId}}:${part}`;
  return { account: key('account'), holds: key('holds'), sizes: key('sizes'), nonce: key('nonce') };
}
