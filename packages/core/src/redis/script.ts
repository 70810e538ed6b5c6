/** Loads Lua scripts from files and runs them by their hash. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { RedisClient } from './redis.ts';

export type Script = { text: string; sha1: string };

/** Reads a script; its header lists its KEYS, ARGV and reply. */
export function loadScript(file: URL): Script {
  const text = readFileSync(file, 'utf8');
  return { text, sha1: createHash('sha1').update(text).digest('hex') };
}

/**
 * EVALSHA, then EVAL after a NOSCRIPT. ioredis' own `defineCommand` caches which scripts are loaded when it pipelines,
 * and fails for a minute after SCRIPT FLUSH.
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
