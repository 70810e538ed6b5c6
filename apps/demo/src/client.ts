/** Sends requests and checks their answers; prints both, of an answer the fields that its shape names. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { printAnswer, printRequest, showProgress } from './output.ts';

/** Who sends requests, and where. Without a name nothing is printed; `stop` aborts requests. */
export type Client = { url: string; stop: AbortSignal; name?: string | undefined; token?: string };
export const quiet = (client: Client): Client => ({ ...client, name: undefined });

/** A step has another outcome than expected; the message is all that a reader needs. */
export class StepFailed extends Error {}

/** A page may be tried four times, with pauses between. */
const jobTimeoutMs = 180_000;
const Job = z.object({ status: z.string(), error_code: z.unknown(), tokens_consumed: z.int(), result: z.unknown() });

/** Sends `request`, a method and a path. @throws StepFailed where the answer has another status or shape */
export async function call<T>(client: Client, request: string, shape: z.ZodType<T>, body?: object, status = 200) {
  const { url, name, token, stop } = client;
  const [method = '', path] = request.split(' ');
  if (name) printRequest(name, request, body ?? {});
  const work = fetch(`${url}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.any([stop, AbortSignal.timeout(30_000)]),
  }).then(async (response) => ({ status: response.status, body: await response.json() }));
  const answer = await (name ? showProgress(request, work) : work).catch((error: Error) => {
    throw failed(request, 'an answer', `${error.cause ?? error.message}`);
  });
  const parsed = parse(request, z.object({ status: z.literal(status), body: shape }), answer).body;
  // Of an accepted job the result is printed.
  if (name && status !== 202) printAnswer(String(status), parsed);
  return parsed;
}

/** Submits a task. @returns the job's id */
export const submit = async (client: Client, path: string, input: object): Promise<string> =>
  (await call(client, `POST ${path}`, z.object({ job_id: z.string() }), input, 202)).job_id;

/** Waits for a job to end with any status. @throws StepFailed after three minutes */
export async function jobEnd(client: Client, id: string): Promise<z.infer<typeof Job>> {
  for (const endsAt = Date.now() + jobTimeoutMs; ; await sleep(100, undefined, { signal: client.stop })) {
    const { job } = await call(quiet(client), `GET /api/jobs/${id}`, z.object({ job: Job }));
    if (!['queued', 'running'].includes(job.status)) return job;
    if (Date.now() > endsAt) throw failed(`Job ${id}`, 'an end within three minutes', job.status);
  }
}

/** Waits for a job's result. @throws StepFailed where it doesn't complete, or its result has another shape */
export async function completed<T>(client: Client, id: string, result: z.ZodType<T>) {
  const job = await showProgress('Waiting for the job', jobEnd(client, id));
  const parsed = parse(`Job ${id}`, z.object({ status: z.literal('completed'), result }), job);
  printAnswer(job.status, parsed.result, job.tokens_consumed);
  return { result: parsed.result, tokens: job.tokens_consumed };
}

/** Submits a task and waits for its result. */
export const run = async <T>(client: Client, path: string, result: z.ZodType<T>, input: object) =>
  completed(client, await submit(client, path, input), result);

/** @throws StepFailed */
export function expectEqual(what: string, actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) throw failed(what, JSON.stringify(expected), JSON.stringify(actual));
}

function parse<T>(what: string, shape: z.ZodType<T>, value: unknown): T {
  const { success, data, error } = shape.safeParse(value);
  if (success) return data;
  throw failed(what, z.prettifyError(error).replace(/\s*\n\s*/g, ' '), JSON.stringify(value));
}

const failed = (what: string, expected: string, actual: string): StepFailed =>
  new StepFailed(`${what}\nExpected: ${expected}\nActual:   ${actual}`);
