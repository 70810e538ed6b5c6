/** Answers methods that a path does not support with 405 and `Allow`, and OPTIONS with `Allow`. */
import { TallyError } from '@tally/core';
import type { MiddlewareHandler } from 'hono';
import { TrieRouter } from 'hono/router/trie-router';
import type { Api, ApiEnv } from '../services.ts';

/**
 * Runs before authentication, since the routes are public (`/docs`), and matches path patterns only, so a 405 does not
 * reveal which ids exist. Paths for which `isPublic` is false are skipped: they authenticate first.
 */
export function knownMethodsOnly(app: Api, isPublic: (path: string) => boolean): MiddlewareHandler<ApiEnv> {
  let router: TrieRouter<string[]> | undefined;
  return async (c, next) => {
    router ??= methodsByPath(app, isPublic);
    const allowed = new Set(router.match('ALL', c.req.path)[0].flatMap(([methods]) => methods));
    const { method } = c.req;
    if (allowed.size === 0 || allowed.has(method)) return next();
    c.header('Allow', [...allowed, 'OPTIONS'].join(', '));
    if (method === 'OPTIONS') return c.body(null, 204);
    throw new TallyError('method_not_allowed', `Method ${method} is not allowed here: use ${[...allowed].join(', ')}`);
  };
}

function methodsByPath(app: Api, isPublic: (path: string) => boolean): TrieRouter<string[]> {
  const methods = Map.groupBy(
    app.routes.filter(({ method, path }) => method !== 'ALL' && isPublic(path)),
    ({ path }) => path,
  );
  const router = new TrieRouter<string[]>();
  for (const [path, routes] of methods)
    router.add(
      'ALL',
      path,
      routes.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])),
    );
  return router;
}
