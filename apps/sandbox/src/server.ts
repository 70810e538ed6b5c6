/** Composes the sandbox of its stand-ins. */
import type { Logger } from '@tally/core';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import { type Book, createBook } from './book.ts';
import { faultRoutes } from './fault-rules.ts';
import { createFaults, FaultRule, type Faults } from './faults.ts';
import { type Listener, listenOn, maxBodyBytes } from './http.ts';
import { createInstagram, createInstagramRoutes, type InstagramOptions } from './instagram/instagram.ts';
import { createMailbox } from './mailbox.ts';
import { createModelRoutes } from './model/chat.ts';
import { type ModelError, writeOpenAiError } from './model/dialects/dialect.ts';
import { dialects } from './model/dialects/dialects.ts';
import { openai } from './model/dialects/openai.ts';
import { pageOf } from './pages.ts';
import { nextAfter, PageQuery } from './record.ts';
import { Settings } from './settings.ts';
import { createShop } from './shop/shop.ts';

export type SandboxOptions = {
  /** Undefined: every key is good. */
  apiKey?: string | undefined;
  delayMs?: number | undefined;
  logger?: Logger | undefined;
  instagram?: InstagramOptions | undefined;
};

export type Sandbox = ReturnType<typeof createSandbox>;

/** A sandbox that does nothing until it listens. */
export function createSandbox(options: SandboxOptions = {}) {
  const { apiKey, delayMs, logger } = options;
  const book = createBook();
  const faults = createFaults();
  const settings = { current: Settings.parse({ delay_ms: delayMs }) };
  const instagram = createInstagram(options.instagram ?? {}, logger);
  const mailbox = createMailbox();
  const control = createControl(book, faults, settings)
    .route('/instagram', createInstagramRoutes(instagram))
    .route('/', mailbox.routes);
  const app = createApp(logger).route('/sandbox', control).route('/graph', instagram.graph);
  for (const dialect of dialects)
    app.route(dialect.basePath, createModelRoutes({ book, faults, settings, apiKey, logger }, dialect));
  const shop = createShop();

  return {
    app,
    book,
    faults,
    settings,
    instagram,
    mailbox,
    /** Listens on `port` (0: any free one) of `host`. */
    async listen(port: number, host = '127.0.0.1'): Promise<Listener> {
      const listener = await listenOn(port, host, app);
      const close = async (): Promise<void> => {
        instagram.stop();
        await listener.close();
      };
      return { ...listener, close };
    },
    /** The shop on a port of its own: whoever may read its pages can't reach what controls the sandbox. */
    listenShop: (port: number, host = '127.0.0.1') => listenOn(port, host, shop),
  };
}

const BookQuery = PageQuery.extend({ user: z.string().optional() });

/** Under `/sandbox`: book, faults and settings of the model. Bodies that don't fit are a 400 that says why. */
function createControl(book: Book, faults: Faults, settings: { current: Settings }): Hono {
  return new Hono()
    .get('/book', (c) => {
      const query = BookQuery.parse(c.req.query());
      const entries = book.list(query);
      return c.json({ entries, totals: book.totals(query.user), next_after: nextAfter(entries, query.limit) });
    })
    .get('/book/totals', (c) => c.json({ totals: book.totals(), users: book.totalsByUser() }))
    .delete('/book', (c) => {
      book.clear();
      return c.json({ totals: book.totals() });
    })
    .route('/faults', faultRoutes(faults, FaultRule))
    .get('/settings', (c) => c.json(settings.current))
    .put('/settings', async (c) => {
      settings.current = Settings.parse(await c.req.json());
      return c.json(settings.current);
    });
}

const badRequest = (message: string): ModelError => ({ ...openai.errors.bad_request, message });

function createApp(logger: Logger | undefined): Hono {
  const app = new Hono();
  app.use('/sandbox/*', bodyLimit({ maxSize: maxBodyBytes }));
  app.get('/', (c) => c.html(pageOf('home')));
  app.get('/health', (c) => c.json({ status: 'ok' }));
  app.notFound((c) => c.json(writeOpenAiError(badRequest(`Invalid URL (${c.req.method} ${c.req.path})`)), 404));
  app.onError((error, c) => {
    if (error instanceof z.ZodError) return c.json(writeOpenAiError(badRequest(z.prettifyError(error))), 400);
    if (error instanceof SyntaxError) return c.json(writeOpenAiError(badRequest('The body is not JSON.')), 400);
    logger?.error({ err: error }, 'a request failed in the sandbox');
    return c.json(writeOpenAiError(openai.errors.server_error), 500);
  });
  return app;
}
