/** The API's public URL behind a reverse proxy: path prefix and origin. */
import { type Config, toPathPrefix } from '@tally/core';
import type { Context } from 'hono';
import type { ApiEnv } from '../services.ts';

const maxHeaderCharacters = 256;

/**
 * The path prefix that proxies strip: from PUBLIC_URL or, where it is unset, from X-Forwarded-Prefix, to which each
 * proxy appends its own. The header needs no trust: it only affects its sender's response, as a path on this host.
 */
export function pathPrefixOf(c: Context<ApiEnv>, { publicUrl }: Pick<Config, 'publicUrl'>): string {
  if (publicUrl !== undefined) return publicUrl.path;
  const header = c.req.header('x-forwarded-prefix');
  if (header === undefined || header.length > maxHeaderCharacters) return '';
  const parts = header.split(',').map((part) => toPathPrefix(part.trim()));
  return parts.includes(undefined) ? '' : (toPathPrefix(parts.join('')) ?? '');
}

/**
 * Whether `origin` is this installation's: its host equals the request's Host, or it is the origin of PUBLIC_URL or,
 * with PROXY_HOPS, of X-Forwarded-Host and -Proto.
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
