/** A model that says what a test wants it to, and remembers what it was told. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll } from 'vitest';

export type Asked = { messages: { role: string; content: string }[]; [field: string]: unknown };
export type Scripted =
  /** A completion with this text. */
  | string
  /** An answer as it stands. */
  | { status: number; body: string; type?: string };

export type ScriptedModel = {
  /** For `OPENAI_BASE_URL`. */
  url: string;
  /** Every request, oldest first. */
  asked: Asked[];
  /** What is answered from now on. */
  script: (request: Asked) => Scripted;
};

/** Starts a model that ends with its test file. */
export async function startScriptedModel(script: ScriptedModel['script']): Promise<ScriptedModel> {
  const server = createServer(async (incoming, outgoing) => {
    const request = JSON.parse(await text(incoming)) as Asked;
    model.asked.push(request);
    const said = model.script(request);
    const { status, body, type = 'application/json' } = typeof said === 'string' ? completion(said) : said;
    outgoing.writeHead(status, { 'content-type': type }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterAll(() => {
    server.close();
    server.closeAllConnections();
  });
  const model = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, asked: [] as Asked[], script };
  return model;
}

const completion = (content: string): Exclude<Scripted, string> => ({
  status: 200,
  body: JSON.stringify({
    id: 'scripted',
    object: 'chat.completion',
    choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content } }],
    usage: { prompt_tokens: 50, completion_tokens: 20, total_tokens: 70 },
  }),
});
