/** The ledger's Lua scripts and the keys that they work on. */
import { loadScript } from '@tally/core';

const load = (name: string) => loadScript(new URL(`lua/${name}.lua`, import.meta.url));

/** One script per verb; each file's header lists its KEYS, ARGV and reply. */
export const scripts = {
  reserve: load('reserve'),
  settle: load('settle'),
  hydrateBegin: load('hydrate_begin'),
  hydrateApply: load('hydrate_apply'),
  repair: load('repair'),
  inspect: load('inspect'),
} as const;

/** The keys of one subscription; the hash tag keeps them on one node of a cluster. */
export function keysOf(prefix: string, subscriptionId: string) {
  const key = (part: string) => `${prefix}:{sub:${subscriptionId}}:${part}`;
  return { account: key('account'), holds: key('holds'), sizes: key('sizes'), nonce: key('nonce') };
}
