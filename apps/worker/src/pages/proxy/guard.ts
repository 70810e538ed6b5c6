/**
 * The forward proxy between one page and the web: it lets every request out through a checked connection only.
 * Written on node:http, since proxy-chain can neither cut a tunnel at a number of bytes, nor tell which connection of a
 * page was refused, nor dial a port other than the requested one, which the tests need.
 */
import { once } from 'node:events';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TallyError } from '@tally/core';
import type { AddressPolicy } from '@tally/extraction';
import { createDialer, type Network } from './dial.ts';

export type Guard = {
  /** `http://127.0.0.1:<port>` */
  proxyUrl: string;
  /** The error for the host and port of `url`, if the guard refused it or the network failed. */
  failureAt(url: string): TallyError | undefined;
  close(): void;
};

/** Marks the guard's own responses (RFC 9209); it is removed from websites' responses. */
export const guardHeader = 'proxy-status';
const hopByHop = new Set(
  [guardHeader, 'connection', 'proxy-connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade'].concat(
    ['proxy-authenticate', 'proxy-authorization'],
  ),
);
const maxHeaderBytes = 64 * 1_024;

/** Starts a guard on a free loopback port. Beyond `maxBytes` in both directions it closes every connection. */
export async function openGuard(options: {
  policy: AddressPolicy;
  network: Network;
  maxBytes: number;
  onTooManyBytes: () => void;
}): Promise<Guard> {
  const ended = new AbortController();
  const dial = createDialer(options.policy, options.network, ended.signal);
  const failures = new Map<string, TallyError>();
  const sockets = new Set<Duplex>();
  let bytes = 0;

  /** Destroys the connection when the guard closes. */
  function watch(socket: Duplex): void {
    if (ended.signal.aborted) socket.destroy();
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
  }
  function count(chunk: Buffer): void {
    bytes += chunk.length;
    if (bytes <= options.maxBytes || ended.signal.aborted) return;
    close();
    options.onTooManyBytes();
  }

  async function connectTo(hostname: string, port: number): Promise<Socket> {
    try {
      const socket = await dial(hostname, port);
      watch(socket);
      return socket;
    } catch (error) {
      if (error instanceof TallyError) failures.set(`${hostname}:${port}`, error);
      throw error;
    }
  }

  async function tunnel(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    watch(client);
    try {
      // Parsed as a URL, so that the host has the same form as in the address check.
      const { hostname, port } = new URL(`http://${request.url}`);
      const target = await connectTo(hostname, Number(port || 80));
      client.once('close', () => target.destroy());
      target.once('close', () => client.destroy());
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      target.on('data', count).pipe(client);
      if (head.length > 0) client.unshift(head);
      client.on('data', count).pipe(target);
    } catch {
      client.end(`HTTP/1.1 502 Bad Gateway\r\n${guardHeader}: tally\r\ncontent-length: 0\r\n\r\n`);
    }
  }

  async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = new URL(request.url ?? '');
      if (url.protocol !== 'http:') throw new Error('only plain http is forwarded');
      const socket = await connectTo(url.hostname, Number(url.port || 80));
      const upstream = httpRequest({
        createConnection: () => socket,
        method: request.method,
        path: url.pathname + url.search,
        headers: { ...endToEnd(request.headers), host: url.host },
        maxHeaderSize: maxHeaderBytes,
      });
      response.once('close', () => upstream.destroy());
      request.on('data', count).pipe(upstream);
      const [answer] = (await once(upstream, 'response')) as [IncomingMessage];
      upstream.on('error', () => response.destroy());
      answer.on('error', () => response.destroy());
      // A website's 407 would make the browser authenticate to this proxy.
      const status = answer.statusCode === 407 ? 502 : (answer.statusCode ?? 502);
      response.writeHead(status, endToEnd(answer.headers));
      answer.on('data', count).pipe(response);
    } catch {
      if (!response.headersSent) response.writeHead(502, { [guardHeader]: 'tally' });
      response.end();
    }
  }

  const server = createServer(
    { maxHeaderSize: maxHeaderBytes },
    (request, response) => void forward(request, response),
  );
  server.on('connect', (request: IncomingMessage, client: Duplex, head: Buffer) => void tunnel(request, client, head));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  function close(): void {
    ended.abort(new TallyError('unavailable', 'The page is closed'));
    server.close();
    server.closeAllConnections();
    for (const socket of sockets) socket.destroy();
  }

  return {
    proxyUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    failureAt(url) {
      const { protocol, hostname, port } = new URL(url);
      return failures.get(`${hostname}:${port || (protocol === 'http:' ? 80 : 443)}`);
    },
    close,
  };
}

/** Drops hop-by-hop headers. Node keeps repeated `set-cookie` headers as a list, so none is lost. */
function endToEnd(headers: IncomingMessage['headers']): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !hopByHop.has(name)));
}
