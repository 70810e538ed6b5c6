/** A model server that answers from a test's script and records its requests. */
import { text } from 'node:stream/consumers';
import type { CloseLater } from '../clean-up.ts';
import { startServer } from './http-server.ts';

export type Asked = { messages: { role: string; content: string }[]; [field: string]: unknown };
export type Scripted =
  /** A completion with this text. */
  | string
  /** A completion with these overrides of its message, choice or usage. */
  | { message?: object; choice?: object; usage?: unknown }
  /** A raw HTTP response. */
  | { status: number; body: string; type?: string; headers?: Record<string, string> };

export type ScriptedModel = {
  /** For `OPENAI_BASE_URL`. */
  url: string;
  /** All requests, oldest first. */
  asked: Asked[];
  /** Computes the answers; can be replaced at any time. */
  script: (request: Asked) => Scripted;
};

/** Serves OpenAI's chat completions API at `url`. */
export async function startScriptedModel(
  script: ScriptedModel['script'],
  closeLater: CloseLater,
): Promise<ScriptedModel> {
  const model: ScriptedModel = { url: '', asked: [], script };
  const { url } = await startServer(async (incoming, outgoing) => {
    const request = JSON.parse(await text(incoming)) as Asked;
    model.asked.push(request);
    const said = model.script(request);
    const answer = typeof said === 'string' ? completion({ message: { content: said } }) : said;
    const { status, body, type, headers }: RawResponse = 'status' in answer ? answer : completion(answer);
    outgoing.writeHead(status, { 'content-type': type ?? 'application/json', ...headers }).end(body);
  }, closeLater);
  model.url = `${url}/v1`;
  return model;
}

type RawResponse = Extract<Scripted, { status: number }>;

const completion = ({
  message,
  choice,
  usage,
}: {
  message?: object;
  choice?: object;
  usage?: unknown;
}): RawResponse => ({
  status: 200,
  body: JSON.stringify({
    id: 'scripted',
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        finish_reason: 'stop',
        message: { role: 'assistant', content: 'It costs 49.90.', ...message },
        ...choice,
      },
    ],
    usage: usage ?? { prompt_tokens: 50, completion_tokens: 20, total_tokens: 70 },
  }),
});
