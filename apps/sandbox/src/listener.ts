/** Opens a port for a server and closes it, with every connection that is still open. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Listener = {
  url: string;
  port: number;
  /** Ends every connection at once, the hanging ones too. */
  close: () => Promise<void>;
};

/** Above the idle time of common clients, so that it is the client who drops a connection: else requests get lost. */
const keepAliveMs = 65_000;

/** Listens on `port` (0: any free one) of `host`. */
export async function listenOn(port: number, host: string, onRequest: RequestListener): Promise<Listener> {
  const server = createServer({ keepAliveTimeout: keepAliveMs }, onRequest);
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
