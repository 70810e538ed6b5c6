/** The routes by which a person or a test plays Instagram: fires events, watches sends, sets faults and settings. */
import { Hono } from 'hono';
import { z } from 'zod';
import { GraphFaultRules } from './faults.ts';
import { FireInput } from './fire-input.ts';
import type { Instagram } from './instagram.ts';
import { instagramPage } from './page.ts';
import { InstagramSettings } from './settings.ts';

const SendsQuery = z.object({
  ig_user_id: z.string().optional(),
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(10_000).default(1_000),
});

/** Under `/sandbox/instagram`. Bodies that don't fit are a 400 that says why. */
export function createInstagramRoutes({ sends, faults, subscriptions, settings, fire }: Instagram): Hono {
  const routes = new Hono();

  routes.get('/', (c) => c.html(instagramPage));

  routes.get('/sends', (c) => {
    const query = SendsQuery.parse(c.req.query());
    const listed = sends.list(query);
    return c.json({ sends: listed, next_after: listed.length === query.limit ? listed.at(-1)?.seq : null });
  });
  routes.delete('/sends', (c) => {
    sends.clear();
    return c.json({ sends: [], next_after: null });
  });

  routes.get('/subscriptions', (c) => c.json({ subscriptions: Object.fromEntries(subscriptions) }));

  routes.get('/faults', (c) => c.json({ rules: faults.list() }));
  routes.put('/faults', async (c) => {
    faults.set(GraphFaultRules.parse(await c.req.json()).rules);
    return c.json({ rules: faults.list() });
  });
  routes.delete('/faults', (c) => {
    faults.clear();
    return c.json({ rules: [] });
  });

  routes.get('/settings', (c) => c.json(shown(settings.current)));
  routes.put('/settings', async (c) => {
    // What isn't named stays: a test that wants no echoes need not know the secret.
    settings.current = InstagramSettings.parse({ ...settings.current, ...z.looseObject({}).parse(await c.req.json()) });
    return c.json(shown(settings.current));
  });

  routes.post('/fire', async (c) => {
    // A page of somebody else's could otherwise send signed events from the browser of whoever runs the sandbox.
    if (c.req.header('sec-fetch-site') === 'cross-site') return c.json({ error: 'not from another site' }, 403);
    return c.json(await fire(FireInput.parse(await c.req.json())));
  });

  return routes;
}

/** The secret is for signing, not for reading. */
const shown = ({ app_secret, ...rest }: InstagramSettings): object => ({ ...rest, app_secret_set: app_secret !== '' });
