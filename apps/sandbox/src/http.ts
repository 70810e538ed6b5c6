/** Listens, and waits for clients that may leave. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import type { Hono } from 'hono';

/** As large as the largest webhook or prompt that a test sends. */
export const maxBodyBytes = 4 * 1024 * 1024;
/** Above the idle time of common clients, so that it is the client who drops a connection: else requests get lost. */
const keepAliveMs = 65_000;

/** `close` ends every connection at once, the hanging ones too. */
export type Listener = { url: string; port: number; close: () => Promise<void> };

export async function listenOn(port: number, host: string, app: Hono): Promise<Listener> {
  const server = createServer({ keepAliveTimeout: keepAliveMs }, getRequestListener(app.fetch));
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
}

/** Resolves after `ms`, or as soon as the client has left. */
export function waitUnlessGone(response: HttpBindings['outgoing'], ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      response.off('close', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    response.once('close', done);
    if (response.destroyed) done();
  });
}
