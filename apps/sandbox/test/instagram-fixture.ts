/** A Graph API client as integrations write it, and a receiver of webhooks that keeps the bytes it was sent. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { SendEntry } from '../src/instagram/sends.ts';
import { type Fixture, useSandbox } from './fixture.ts';

export const shopId = '17841405309211844';
export const mina = { id: '1254459154682919', username: 'mina.daily' };
export const appSecret = 'the secret of a test app';

export type Received = { body: string; signature: string | undefined };
/** Every field that some answer has. */
type GraphBody = {
  error: { message: string; type: string; code: number; error_subcode?: number; fbtrace_id: string };
  id: string;
  user_id: string;
  message_id: string;
  recipient_id: string;
  access_token: string;
  expires_in: number;
  data: { messages: { data: { id: string; message: string; created_time: string }[] } }[];
};
export type GraphAnswer = {
  status: number;
  headers: Headers;
  body: GraphBody;
};

type InstagramFixture = Fixture & {
  received: Received[];
  /** What the receiver answers from now on. */
  answerWith: (status: number) => void;
  graph: (path: string, init?: RequestInit) => Promise<GraphAnswer>;
  send: (recipient: object, text: string, token?: string) => Promise<GraphAnswer>;
  lastSend: () => SendEntry | undefined;
};

export function useInstagram(): InstagramFixture {
  const fixture = useSandbox({ instagram: { appSecret } });
  const received: Received[] = [];
  let status = 200;
  const receiver = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const signature = request.headers['x-hub-signature-256'];
      received.push({ body: Buffer.concat(parts).toString(), signature: signature?.toString() });
      response.writeHead(status).end('EVENT_RECEIVED');
    });
  });
  const { instagram } = fixture.sandbox;
  beforeAll(() => new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve)));
  beforeEach(() => {
    received.length = 0;
    status = 200;
    const { port } = receiver.address() as AddressInfo;
    Object.assign(instagram.settings.current, { webhook_url: `http://127.0.0.1:${port}/webhooks`, locale: 'en' });
    Object.assign(instagram.settings.current, { echo: false, echo_delay_ms: 0 });
  });
  afterAll(() => {
    receiver.closeAllConnections();
    receiver.close();
  });

  const graph = async (path: string, init?: RequestInit): Promise<GraphAnswer> => {
    const answer = await fetch(`${fixture.url()}/graph/${path}`, { signal: AbortSignal.timeout(2_000), ...init });
    return { status: answer.status, headers: answer.headers, body: (await answer.json()) as GraphBody };
  };
  return {
    ...fixture,
    received,
    answerWith(next) {
      status = next;
    },
    graph,
    send: (recipient, text, token = 'token-abcd') =>
      graph(`${shopId}/messages`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ recipient, message: { text } }),
      }),
    lastSend: () => instagram.sends.list().at(-1),
  };
}
