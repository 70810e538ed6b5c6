/** A TCP proxy before Postgres that cuts connections when a run wants it: at once, or exactly around a statement. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** `unsent`: before the statement reaches the server. `unanswered`: once the server has carried it out. */
export type CutMoment = 'unsent' | 'unanswered';

export type TcpProxy = {
  port: number;
  /** Cuts every connection; returns how many. */
  cutAll(): number;
  /** From now on cuts the connections that send one of `statements` and that `chosen` chooses; `stop` says how many. */
  cutAround(trap: { statements: string[]; moment: CutMoment; chosen: () => boolean }): { stop(): number };
  /** Passes nothing on until it is thawed; new connections are taken and wait. */
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
};

type Trap = { needles: Buffer[]; moment: CutMoment; chosen: () => boolean; cuts: number };
type Link = { client: Socket; server: Socket; dropsAnswer: boolean };

/** Listens on a free port of 127.0.0.1 and passes everything on to `targetPort`. */
export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const links = new Set<Link>();
  let trap: Trap | undefined;
  let frozen = false;

  function cut(link: Link): void {
    links.delete(link);
    link.client.resetAndDestroy();
    link.server.destroy();
  }

  /** What was read is still written, as at an orderly end. */
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
      // In the protocol both a simple query and the name of a prepared statement end with a zero.
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
