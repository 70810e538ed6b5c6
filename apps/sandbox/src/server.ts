/** Composes the sandbox: the model on plain node:http, everything else in one Hono app. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
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
import { createChatHandler } from './model/chat.ts';
import { badRequest, errorBody, modelErrors } from './model/errors.ts';
import { createModels } from './model/models.ts';
import { Settings } from './settings.ts';

export type SandboxOptions = {
  /** Undefined: every key is good. */
  apiKey?: string | undefined;
  /** How long each answer takes to begin with. */
  delayMs?: number | undefined;
  logger?: Logger | undefined;
};

export type Listener = {
  url: string;
  port: number;
  /** Ends every connection at once, the hanging ones too. */
  close: () => Promise<void>;
};

export type Sandbox = {
  /** Every route but the chat completions. */
  app: Hono;
  book: Book;
  faults: Faults;
  settings: { current: Settings };
  /** Listens on `port` (0: any free one) of `host` (default 127.0.0.1). */
  listen: (port: number, host?: string) => Promise<Listener>;
};

/** Above the idle time of common clients, so that it is the client who drops a connection: else requests get lost. */
const keepAliveMs = 65_000;

/** A sandbox that does nothing until it listens. */
export function createSandbox(options: SandboxOptions = {}): Sandbox {
  const { apiKey, delayMs, logger } = options;
  const book = createBook();
  const faults = createFaults();
  const settings = { current: Settings.parse({ delay_ms: delayMs }) };
  const app = createApp(apiKey, createControl({ book, faults, settings }), logger);
  const chat = createChatHandler({ book, faults, settings: () => settings.current, apiKey, logger });
  const others = getRequestListener(app.fetch);

  return {
    app,
    book,
    faults,
    settings,
    async listen(port, host = '127.0.0.1') {
      const server = createServer({ keepAliveTimeout: keepAliveMs }, (request, response) => {
        if (request.method === 'POST' && request.url === '/v1/chat/completions') chat(request, response);
        else void others(request, response);
      });
      server.listen(port, host);
      await once(server, 'listening');
      const bound = (server.address() as AddressInfo).port;
      return {
        url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
        port: bound,
        async close() {
          const closed = once(server, 'close');
          server.close();
          server.closeAllConnections();
          await closed;
        },
      };
    },
  };
}

function createApp(apiKey: string | undefined, control: Hono, logger: Logger | undefined): Hono {
  const app = new Hono();
  app.use(bodyLimit({ maxSize: maxBodyBytes, onError: (c) => c.json(errorBody(modelErrors.too_large), 413) }));
  app.get('/', (c) => c.html(homePage));
  app.get('/health', (c) => c.json({ status: 'ok' }));
  app.route('/v1', createModels(apiKey));
  app.route('/sandbox', control);
  app.notFound((c) => c.json(errorBody(badRequest(null, `Invalid URL (${c.req.method} ${c.req.path})`)), 404));
  app.onError((error, c) => {
    if (error instanceof z.ZodError) return c.json(errorBody(badRequest(null, z.prettifyError(error))), 400);
    if (error instanceof SyntaxError) return c.json(errorBody(badRequest(null, 'The body is not JSON.')), 400);
    if (error instanceof HTTPException) return error.getResponse();
    logger?.error({ err: error }, 'a request failed in the sandbox');
    return c.json(errorBody(modelErrors.server_error), 500);
  });
  return app;
}
