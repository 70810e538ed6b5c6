/** Finds free ports on this machine for the embedded services. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * A free port of 127.0.0.1.
 *
 * It is below the range of ephemeral ports (from 32768 on Linux, 49152 on macOS). A port in that range could be taken
 * while its service restarts, even by that service's client: an attempt from the target port connects to itself.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = randomInt(15_000, 32_000);
    if (await isFree(port)) return port;
  }
  throw new Error('found no free port between 15000 and 32000 on 127.0.0.1');
}

/** Whether a port of 127.0.0.1 is free. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
