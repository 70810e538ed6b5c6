/** The address at which the client reached the API, where a reverse proxy stands in between. */
import { type Config, toPathPrefix } from '@tally/core';
import type { Context } from 'hono';
import type { ApiEnv } from '../services.ts';

const maxHeaderCharacters = 256;

/**
 * The path that the proxy took off: of PUBLIC_URL or, where that is unset, of X-Forwarded-Prefix, to which each proxy adds
 * its own. Whoever sends the header sees it in an answer of their own alone, and it leads nowhere but to this host.
 */
export function pathPrefixOf(c: Context<ApiEnv>, { publicUrl }: Pick<Config, 'publicUrl'>): string {
  if (publicUrl !== undefined) return publicUrl.path;
  const header = c.req.header('x-forwarded-prefix');
  if (header === undefined || header.length > maxHeaderCharacters) return '';
  const parts = header.split(',').map((part) => toPathPrefix(part.trim()));
  return parts.includes(undefined) ? '' : (toPathPrefix(parts.join('')) ?? '');
}

/**
 * Whether a browser's page on `origin` is one of ours: on the host that was asked, on that of PUBLIC_URL or, with
 * PROXY_HOPS, on the one that the outermost of our proxies was asked for.
 */
export function isOwnOrigin(
  c: Context<ApiEnv>,
  origin: string,
  { publicUrl, proxyHops }: Pick<Config, 'publicUrl' | 'proxyHops'>,
): boolean {
  if (!URL.canParse(origin)) return false;
  const { host, protocol } = new URL(origin);
  if (host === '') return false;
  if (host === c.req.header('host') || origin === publicUrl?.origin) return true;
  if (proxyHops === 0) return false;
  const forwarded = (name: string) => {
    const values = (c.req.header(name) ?? '').split(',').map((value) => value.trim());
    return values.at(-proxyHops) ?? values[0] ?? '';
  };
  const address = `${forwarded('x-forwarded-proto') || protocol.slice(0, -1)}://${forwarded('x-forwarded-host')}`;
  return /^https?:\/\/[\w.:[\]-]+$/.test(address) && URL.canParse(address) && new URL(address).origin === origin;
}
