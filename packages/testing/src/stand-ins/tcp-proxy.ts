/** A TCP proxy in front of Postgres that cuts connections on request: at once, or before or after a given statement. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** `unsent`: before the statement reaches the server. `unanswered`: after the server has executed it. */
export type CutMoment = 'unsent' | 'unanswered';

export type TcpProxy = {
  port: number;
  /** Cuts every connection; returns their number. */
  cutAll(): number;
  /** Cuts connections that send one of `statements` where `chosen` returns true; `stop` returns their number. */
  cutAround(trap: { statements: string[]; moment: CutMoment; chosen: () => boolean }): { stop(): number };
  /** Stops forwarding until `thaw`; new connections are accepted and wait. */
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
};

type Trap = { needles: Buffer[]; moment: CutMoment; chosen: () => boolean; cuts: number };
type Link = { client: Socket; server: Socket; dropsAnswer: boolean };

/** Listens on a free port of 127.0.0.1 and forwards to `targetPort`. */
export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const links = new Set<Link>();
  let trap: Trap | undefined;
  let frozen = false;

  function cut(link: Link): void {
    links.delete(link);
    link.client.resetAndDestroy();
    link.server.destroy();
  }

  /** Ends a link orderly: data already read are still written. */
  function end(link: Link): void {
    links.delete(link);
    link.client.destroySoon();
    link.server.destroySoon();
  }

  function isTrapped(bytes: Buffer): boolean {
    return trap?.needles.some((needle) => bytes.includes(needle)) === true && trap.chosen();
  }

  function pass(from: Socket, to: Socket, bytes: Buffer): void {
    if (to.write(bytes)) return;
    from.pause();
    to.once('drain', () => frozen || from.resume());
  }

  const proxy = createServer((client) => {
    const server = connect({ port: targetPort, host: '127.0.0.1', noDelay: true });
    const link: Link = { client, server, dropsAnswer: false };
    links.add(link);
    client.setNoDelay(true);
    client.on('data', (bytes) => {
      if (trap !== undefined && isTrapped(bytes)) {
        trap.cuts++;
        if (trap.moment === 'unsent') return cut(link);
        link.dropsAnswer = true;
      }
      pass(client, server, bytes);
    });
    server.on('data', (bytes) => (link.dropsAnswer ? cut(link) : pass(server, client, bytes)));
    for (const socket of [client, server]) {
      socket.on('error', () => cut(link));
      socket.on('close', () => end(link));
    }
    if (frozen) hold(link);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');

  return {
    port: (proxy.address() as AddressInfo).port,
    cutAll() {
      const cuts = links.size;
      for (const link of [...links]) cut(link);
      return cuts;
    },
    cutAround({ statements, moment, chosen }) {
      // In Postgres' protocol both a simple query and the name of a prepared statement end with a zero byte.
      const needles = statements.map((statement) => Buffer.from(`${statement}\0`));
      const own: Trap = { needles, moment, chosen, cuts: 0 };
      trap = own;
      return {
        stop() {
          trap = undefined;
          return own.cuts;
        },
      };
    },
    freeze() {
      frozen = true;
      for (const link of links) hold(link);
    },
    thaw() {
      frozen = false;
      for (const { client, server } of links) {
        client.resume();
        server.resume();
      }
    },
    async close() {
      proxy.close();
      for (const link of [...links]) cut(link);
    },
  };
}

function hold({ client, server }: Link): void {
  client.pause();
  server.pause();
}
