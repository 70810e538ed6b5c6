/** Checks that the API's configured port is free. */
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { LaunchFault } from './fault.ts';

/** The URL at which this machine reaches a server that listens on `host`. */
export function urlOf(host: string, port: number): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}

/**
 * @param waitMs how long to wait for a server of an earlier run to release the port
 * @throws LaunchFault naming the port and what to do
 */
export async function refuseTakenPort(host: string, port: number, waitMs: number): Promise<void> {
  const deadline = Date.now() + waitMs;
  for (;;) {
    const fault = (await answers(host, port)) ? 'EADDRINUSE' : await listeningFault(host, port);
    if (fault === undefined) return;
    if (Date.now() >= deadline) throw new LaunchFault(explain(fault, host, port));
    await sleep(100);
  }
}

function explain(fault: string, host: string, port: number): string {
  if (fault === 'EADDRINUSE')
    return `Port ${port} on ${host} is taken by another program. Stop that, or choose another port: PORT=${port + 1} npm start`;
  if (fault === 'EACCES')
    return `Port ${port} needs more rights than this user has. Choose another port: PORT=8000 npm start`;
  return `The API can't listen on HOST ${host}, PORT ${port} (${fault}).`;
}

/** Needed because on macOS a program can listen on one address of a port that another has on all addresses. */
function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: new URL(urlOf(host, port)).hostname.replace(/^\[|\]$/g, ''), timeout: 1_000 });
    const finish = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('connect', () => finish(true));
    socket.once('timeout', () => finish(false));
    socket.once('error', () => finish(false));
  });
}

function listeningFault(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
