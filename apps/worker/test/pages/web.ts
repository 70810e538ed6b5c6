/** A local web for tests: public-looking hosts, and a listener behind all private addresses that must get no visit. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { createLogger, TallyError } from '@tally/core';
import { isPublicAddress, type RenderedPage } from '@tally/extraction';
import { afterAll } from 'vitest';
import { createPageReader, type PageReaderOptions } from '../../src/pages/page-reader.ts';

export type Answer = string | ((request: IncomingMessage, response: ServerResponse) => void);
type Options = Partial<Omit<PageReaderOptions, 'network'>>;

export const publicAddress = '93.184.215.14';

/** Starts the web and a page reader for it; both are closed by `atEnd`, by default after the test file. */
export async function openWeb(options: Options = {}, atEnd: (tidy: () => Promise<void>) => void = afterAll) {
  const pages = new Map<string, Answer>();
  const names = new Map<string, string[][]>();
  const asked: string[] = [];
  const secretVisits: string[] = [];

  const web = createServer((request, response) => {
    const answer = pages.get(`${request.headers.host}${request.url?.split('?')[0]}`);
    asked.push(`${request.headers.host}${request.url}`);
    if (typeof answer === 'function') return answer(request, response);
    const status = answer === undefined ? 404 : 200;
    response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(answer ?? 'nothing here');
  });
  const secret = createTcpServer((socket) => {
    secretVisits.push('tcp');
    socket.on('error', () => undefined).end('HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\nthe secret');
  });
  const secretUdp = createSocket('udp4', () => secretVisits.push('udp'));
  web.listen(0, '127.0.0.1');
  secret.listen(0, '127.0.0.1');
  secretUdp.bind(0, '127.0.0.1');
  await Promise.all([once(web, 'listening'), once(secret, 'listening'), once(secretUdp, 'listening')]);
  const webPort = (web.address() as AddressInfo).port;
  const secretPort = (secret.address() as AddressInfo).port;

  const network = {
    /** Each lookup of a name returns its next list of addresses; the last list is repeated. */
    resolve: async (hostname: string) => {
      const answers = names.get(hostname) ?? [[publicAddress]];
      return (answers.length > 1 ? answers.shift() : answers[0]) ?? [];
    },
    dial: (address: string) => ({ host: '127.0.0.1', port: isPublicAddress(address) ? webPort : secretPort }),
  };
  const reader = createPageReader({
    policy: { allowedHosts: new Set() },
    log: createLogger('test', 'silent'),
    network,
    ...options,
  });
  atEnd(async () => {
    await reader.close();
    web.close();
    web.closeAllConnections();
    secret.close();
    secretUdp.close();
  });

  return {
    pages,
    names,
    asked,
    network,
    reader,
    secretVisits,
    secretPort,
    secretUdpPort: secretUdp.address().port,
    open: (url: string, signal = new AbortController().signal): Promise<RenderedPage> => reader.open(url, { signal }),
  };
}

/** Structured product data, with which a page counts as complete once the network is quiet. */
export const productData =
  '<script type="application/ld+json">{"@type":"Product","name":"Kettle","offers":{"price":"49.90"}}</script>';

/** The code and message with which `work` fails. */
export async function failure(work: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof TallyError) return { code: error.code, message: error.message };
    throw error;
  }
  return { code: 'none', message: '' };
}
