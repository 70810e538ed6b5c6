/** The client address of a request, as rate limits count it. */
import { isIP } from 'node:net';
import type { Config } from '@tally/core';
import type { Context } from 'hono';
import ipaddr from 'ipaddr.js';
import type { ApiEnv } from '../services.ts';
import type { Origin } from './rate-limits.ts';

/**
 * The client's IPv4 address or IPv6 /64, which one subscriber owns. Each trusted proxy appends its peer to
 * X-Forwarded-For, so only the last `proxyHops` entries count: the client can forge those further left.
 */
export function addressOf(c: Context<ApiEnv>, config: Pick<Config, 'proxyHops'>): string {
  return networkAt(c, config, 4);
}

/** The same with an IPv6 /48, which is available for free. */
export function networkOf(c: Context<ApiEnv>, config: Pick<Config, 'proxyHops'>): string {
  return networkAt(c, config, 3);
}

/** Address and network of a request. */
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
