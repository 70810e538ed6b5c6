/** Where a request comes from, as limits count it. */
import { isIP } from 'node:net';
import type { Config } from '@tally/core';
import type { Context } from 'hono';
import ipaddr from 'ipaddr.js';
import type { ApiEnv } from '../services.ts';
import type { Origin } from './rate-limits.ts';

/**
 * The address a request came from, as limits count it: of IPv6 the /64, all of which is one subscriber's. Each proxy of
 * ours adds the one that it was called from: what stands further to the left anybody may have written.
 */
export function addressOf(c: Context<ApiEnv>, config: Pick<Config, 'proxyHops'>): string {
  return networkAt(c, config, 4);
}

/** The same, of IPv6 the /48: as much as one may have for nothing. */
export function networkOf(c: Context<ApiEnv>, config: Pick<Config, 'proxyHops'>): string {
  return networkAt(c, config, 3);
}

/** Both. */
export const originOf = (c: Context<ApiEnv>, config: Pick<Config, 'proxyHops'>): Origin => ({
  address: addressOf(c, config),
  network: networkOf(c, config),
});

function networkAt(c: Context<ApiEnv>, { proxyHops }: Pick<Config, 'proxyHops'>, groups: number): string {
  const forwarded = c.req.header('x-forwarded-for')?.split(',').at(-proxyHops)?.trim() ?? '';
  const address = proxyHops > 0 && isIP(forwarded) !== 0 ? forwarded : c.env?.incoming?.socket?.remoteAddress;
  if (address === undefined) return 'unknown';
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  return `${parsed.parts
    .slice(0, groups)
    .map((part) => part.toString(16))
    .join(':')}::/${16 * groups}`;
}
