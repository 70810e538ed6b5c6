/** Composes the sandbox: the model and the Graph API on plain node:http, everything else in Hono apps. */
import { getRequestListener } from '@hono/node-server';
import type { Logger } from '@tally/core';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { HTTPException } from 'hono/http-exception';
import { z } from 'zod';
import { maxBodyBytes } from './body.ts';
import { type Book, createBook } from './book.ts';
import { createControl } from './control.ts';
import { createFaults, type Faults } from './faults.ts';
import { homePage } from './home.ts';
import { isGraphUrl } from './instagram/graph.ts';
import { createInstagram, type Instagram, type InstagramOptions } from './instagram/instagram.ts';
import { createInstagramRoutes } from './instagram/routes.ts';
import { type Listener, listenOn } from './listener.ts';
import { createMailbox, type Mailbox } from './mail/mailbox.ts';
import { createChatHandler } from './model/chat.ts';
import { type ModelError, writeOpenAiError } from './model/dialects/dialect.ts';
import { dialectAt, dialects } from './model/dialects/dialects.ts';
import { openai } from './model/dialects/openai.ts';
import { createModels } from './model/models.ts';
import { Settings } from './settings.ts';
import { createShop } from './shop/shop.ts';

export type SandboxOptions = {
  /** Undefined: every key is good. */
  apiKey?: string | undefined;
  /** How long each answer takes to begin with. */
  delayMs?: number | undefined;
  logger?: Logger | undefined;
  instagram?: InstagramOptions | undefined;
};

export type Sandbox = {
  /** Every route but the chat completions, the Graph API and the shop. */
  app: Hono;
  book: Book;
  faults: Faults;
  settings: { current: Settings };
  instagram: Instagram;
  mailbox: Mailbox;
  /** Listens on `port` (0: any free one) of `host` (default 127.0.0.1). */
  listen: (port: number, host?: string) => Promise<Listener>;
  /** The shop on a port of its own: whoever may read its pages can't reach what controls the sandbox. */
  listenShop: (port: number, host?: string) => Promise<Listener>;
};

/** A sandbox that does nothing until it listens. */
export function createSandbox(options: SandboxOptions = {}): Sandbox {
  const { apiKey, delayMs, logger } = options;
  const book = createBook();
  const faults = createFaults();
  const settings = { current: Settings.parse({ delay_ms: delayMs }) };
  const instagram = createInstagram(options.instagram ?? {}, logger);
  const mailbox = createMailbox();
  const control = createControl({ book, faults, settings })
    .route('/instagram', createInstagramRoutes(instagram))
    .route('/', mailbox.routes);
  const app = createApp(apiKey, control, logger);
  const chat = createChatHandler({ book, faults, settings: () => settings.current, apiKey, logger });
  const others = getRequestListener(app.fetch);
  const shop = getRequestListener(createShop().fetch);

  return {
    app,
    book,
    faults,
    settings,
    instagram,
    mailbox,
    async listen(port, host = '127.0.0.1') {
      const listener = await listenOn(port, host, (request, response) => {
        const dialect = request.method === 'POST' ? dialectAt(request.url) : undefined;
        if (dialect !== undefined) chat(dialect, request, response);
        else if (isGraphUrl(request.url)) instagram.graph(request, response);
        else void others(request, response);
      });
      return {
        ...listener,
        close() {
          instagram.stop();
          return listener.close();
        },
      };
    },
    listenShop: (port, host = '127.0.0.1') => listenOn(port, host, (request, response) => void shop(request, response)),
  };
}

const badRequest = (message: string): ModelError => ({ ...openai.errors.bad_request, message });

function createApp(apiKey: string | undefined, control: Hono, logger: Logger | undefined): Hono {
  const app = new Hono();
  app.use(bodyLimit({ maxSize: maxBodyBytes, onError: (c) => c.json(writeOpenAiError(openai.errors.too_large), 413) }));
  app.get('/', (c) => c.html(homePage));
  app.get('/health', (c) => c.json({ status: 'ok' }));
  for (const dialect of dialects) app.route(dialect.basePath, createModels(apiKey, dialect));
  app.route('/sandbox', control);
  app.notFound((c) => c.json(writeOpenAiError(badRequest(`Invalid URL (${c.req.method} ${c.req.path})`)), 404));
  app.onError((error, c) => {
    if (error instanceof z.ZodError) return c.json(writeOpenAiError(badRequest(z.prettifyError(error))), 400);
    if (error instanceof SyntaxError) return c.json(writeOpenAiError(badRequest('The body is not JSON.')), 400);
    if (error instanceof HTTPException) return error.getResponse();
    logger?.error({ err: error }, 'a request failed in the sandbox');
    return c.json(writeOpenAiError(openai.errors.server_error), 500);
  });
  return app;
}
