/** The routes by which a person or a test looks at the sandbox and makes it misbehave. */
import { Hono } from 'hono';
import { z } from 'zod';
import type { Book } from './book.ts';
import { FaultRules, type Faults } from './faults.ts';
import { Settings } from './settings.ts';

export type ControlServices = { book: Book; faults: Faults; settings: { current: Settings } };

const BookQuery = z.object({
  user: z.string().optional(),
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(10_000).default(1_000),
});

/** Book, faults and settings under `/sandbox`. Bodies that don't fit are a 400 that says why. */
export function createControl({ book, faults, settings }: ControlServices): Hono {
  const control = new Hono();

  control.get('/book', (c) => {
    const query = BookQuery.parse(c.req.query());
    const entries = book.list(query);
    return c.json({
      entries,
      totals: book.totals(query.user),
      next_after: entries.length === query.limit ? entries.at(-1)?.seq : null,
    });
  });
  control.get('/book/totals', (c) => c.json({ totals: book.totals(), users: book.totalsByUser() }));
  control.delete('/book', (c) => {
    book.clear();
    return c.json({ totals: book.totals() });
  });

  control.get('/faults', (c) => c.json({ rules: faults.list() }));
  control.put('/faults', async (c) => {
    faults.set(FaultRules.parse(await c.req.json()).rules);
    return c.json({ rules: faults.list() });
  });
  control.delete('/faults', (c) => {
    faults.clear();
    return c.json({ rules: [] });
  });

  control.get('/settings', (c) => c.json(settings.current));
  control.put('/settings', async (c) => {
    settings.current = Settings.parse(await c.req.json());
    return c.json(settings.current);
  });

  return control;
}
