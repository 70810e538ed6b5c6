/** Which pages of other origins may call the API from a browser. */
import type { Context, MiddlewareHandler } from 'hono';
import type { ApiEnv } from '../services.ts';

const preflightAnswer = {
  'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
  'Access-Control-Allow-Headers': 'Authorization, Content-Type, Idempotency-Key, Prefer, If-None-Match, Last-Event-ID',
  'Access-Control-Max-Age': '600',
};
const exposed = 'Location, Retry-After, ETag, Link, Allow, X-Request-Id, X-Tokens-Remaining';

/**
 * Answers preflights, and lets pages of these origins read what comes back, errors too. Nothing that a browser adds by
 * itself (a cookie, a Basic login) is allowed: pages send their bearer token. Hono's own middleware makes a response before
 * the route does, and its headers win over the route's: those of event streams are lost.
 */
export function allowOrigins(origins: string[]): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const origin = c.req.header('origin');
    const isAllowed = origin !== undefined && origins.includes(origin);
    // Also where nothing is allowed: no cache may give one origin's answer to another.
    c.header('Vary', 'Origin');
    if (isAllowed) c.header('Access-Control-Allow-Origin', origin);
    if (isPreflight(c)) return c.body(null, 204, isAllowed ? preflightAnswer : {});
    if (isAllowed) c.header('Access-Control-Expose-Headers', exposed);
    await next();
  };
}

/** Any other OPTIONS asks which methods an address takes. */
const isPreflight = (c: Context<ApiEnv>): boolean =>
  c.req.method === 'OPTIONS' && c.req.header('access-control-request-method') !== undefined;
