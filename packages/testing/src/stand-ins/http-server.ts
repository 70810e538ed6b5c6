/** Starts local HTTP servers that stand in for external services. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CloseLater } from '../clean-up.ts';

/** Listens on a free port of 127.0.0.1; at the end its open connections are closed. */
export async function startServer(
  listener: RequestListener,
  closeLater: CloseLater,
): Promise<{ url: string; host: string; port: number }> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closeLater(async () => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, host: `127.0.0.1:${port}`, port };
}
