/** CORS for the configured origins. */
import type { Context, MiddlewareHandler } from 'hono';
import type { ApiEnv } from '../services.ts';

const preflightAnswer = {
  'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
  'Access-Control-Allow-Headers': 'Authorization, Content-Type, Idempotency-Key, Prefer, If-None-Match, Last-Event-ID',
  'Access-Control-Max-Age': '600',
};
const exposed = 'Location, Retry-After, ETag, Link, Allow, X-Request-Id, X-Tokens-Remaining';

/**
 * Answers preflights and lets pages of these origins read responses, errors included; never allows credentials mode.
 * Not hono/cors: it sets headers on a response made before the route's, and they then replace the route's own headers
 * (an event stream's Cache-Control).
 */
export function allowOrigins(origins: string[]): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const origin = c.req.header('origin');
    const isAllowed = origin !== undefined && origins.includes(origin);
    // For every origin: a cache must not serve one origin's response to another.
    c.header('Vary', 'Origin');
    if (isAllowed) c.header('Access-Control-Allow-Origin', origin);
    if (isPreflight(c)) return c.body(null, 204, isAllowed ? preflightAnswer : {});
    if (isAllowed) c.header('Access-Control-Expose-Headers', exposed);
    await next();
  };
}

/** Other OPTIONS requests are answered with `Allow`. */
const isPreflight = (c: Context<ApiEnv>): boolean =>
  c.req.method === 'OPTIONS' && c.req.header('access-control-request-method') !== undefined;
