/** A simulated network: names resolve as the case defines, and every dial is recorded and led to a local server. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import type { Network } from '../../../apps/worker/src/pages/proxy/dial.ts';

export type Names = { url: string; resolver?: string[] | undefined; resolver_sequence?: string[][] | undefined };
export type Dial = { address: string; port: number };

export type World = {
  network: Network;
  /** Clears the dials and sets the case's DNS answers. */
  prepare(names: Names): void;
  dials(): Dial[];
  /** Connections to watched local ports. */
  seen(): string[];
  close(): Promise<void>;
};

const publicAddress = '93.184.215.14';
/** Ports in refused addresses; a listener watches each that is free on this machine. */
const watchedPorts = [80, 443, 6379, 8080, 9229];

export async function startWorld(): Promise<World> {
  const seen: string[] = [];
  const web = createServer(answer);
  web.listen(0, '127.0.0.1');
  await once(web, 'listening');
  const { port } = web.address() as AddressInfo;
  const watchers = (await Promise.all(watchedPorts.map((watched) => watch(watched, seen)))).filter(
    (one) => one !== undefined,
  );
  let dials: Dial[] = [];
  let resolve: (hostname: string) => string[] = () => [];
  return {
    network: {
      resolve: async (hostname) => resolve(hostname),
      dial: (address, dialled) => {
        dials.push({ address, port: dialled });
        return { host: '127.0.0.1', port };
      },
    },
    prepare(names) {
      dials = [];
      let asked = 0;
      const host = URL.canParse(names.url) ? new URL(names.url).hostname : '';
      resolve = (hostname) => {
        const name = hostname.replace(/\.$/, '');
        if (name !== host) return name.endsWith('.test') ? [publicAddress] : [];
        const { resolver_sequence: sequence } = names;
        return sequence === undefined
          ? (names.resolver ?? [publicAddress])
          : (sequence[Math.min(asked++, sequence.length - 1)] ?? []);
      };
    },
    dials: () => [...dials],
    seen: () => [...seen],
    close: async () => {
      for (const server of [web, ...watchers]) server.close();
      web.closeAllConnections();
    },
  };
}

async function watch(port: number, seen: string[]): Promise<Server | undefined> {
  const server = createTcpServer((socket) => {
    seen.push(`port ${port}`);
    socket.destroy();
  });
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return server;
  } catch {
    return undefined;
  }
}

/** Answers with a page, or with a redirect or content that leads to the address in `to`. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://redirect.test');
  const to = searchParams.get('to') ?? '';
  const status = Number(/^\/(30[12378])$/.exec(pathname)?.[1] ?? 0);
  if (status > 0) {
    response.writeHead(status, { location: to });
    response.end();
    return;
  }
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end(
    `<!doctype html><html lang="en"><title>A page</title><h1>A page</h1>${leading[pathname.slice(1)]?.(to) ?? ''}</html>`,
  );
}

const leading: Record<string, (to: string) => string> = {
  js: (to) => `<script>location.href = ${JSON.stringify(to)}</script>`,
  ws: (to) => `<script>new WebSocket(${JSON.stringify(to)})</script>`,
  meta: (to) => `<meta http-equiv="refresh" content="0;url=${to}">`,
  iframe: (to) => `<iframe src="${to}"></iframe>`,
  img: (to) => `<img src="${to}">`,
  fetch: (to) => `<script>fetch(${JSON.stringify(to)}, { mode: 'no-cors' }).catch(() => {})</script>`,
  css: (to) => `<link rel="stylesheet" href="${to}">`,
  form: (to) => `<form action="${to}"></form><script>document.forms[0].submit()</script>`,
};
