/** Ports for services of our own on this machine. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * A port of 127.0.0.1 that nobody listens on.
 *
 * It lies below the range from which systems take the near end of outgoing connections (from 32768 on Linux, 49152 on
 * macOS). A port inside it may be lost while its service restarts: even to a client of that very service, since a
 * connection attempt that happens to leave from the port it is bound for connects to itself.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = randomInt(15_000, 32_000);
    if (await isFree(port)) return port;
  }
  throw new Error('found no free port between 15000 and 32000 on 127.0.0.1');
}

/** Whether nobody listens on a port of 127.0.0.1. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
