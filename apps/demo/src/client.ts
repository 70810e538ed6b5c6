/** Tally and the sandbox as one person sees them: over HTTP alone, every answer parsed, every request shown. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { differs, Untold } from './expect.ts';
import type { Screen } from './screen.ts';
import { writtenBody } from './text.ts';

/** A job as `GET /api/jobs/:id` answers; `result` is for whoever knows its task. */
export const Job = z.object({
  id: z.string(),
  task: z.string(),
  status: z.string(),
  error_code: z.string().nullable(),
  /** Where it is, in a word. */
  progress: z.string().nullable(),
  tokens_consumed: z.int(),
  result: z.unknown(),
});
export type Job = z.infer<typeof Job>;

export type Answer = { status: number; body: unknown };
export type Client = {
  /** Any answer, whatever its status. */
  send(method: string, path: string, body?: object): Promise<Answer>;
  get<T>(path: string, shape: z.ZodType<T>): Promise<T>;
  /** @throws Untold where the answer has another status or shape */
  post<T>(path: string, body: object, shape: z.ZodType<T>, status?: number): Promise<T>;
  /** Submits a task and returns the id of its job. */
  submit(path: string, input: object): Promise<string>;
  /** Waits for a job to end, however it ends. */
  ended(jobId: string): Promise<Job>;
  /** Both. */
  run(path: string, input: object): Promise<Job>;
  /** The same person, with nothing shown. */
  readonly quiet: Client;
};

type Options = { screen: Screen; url: string; who: string; token?: string | undefined; isQuiet?: boolean };

const requestLimitMs = 30_000;
/** A page may be tried four times, with pauses between. */
const jobLimitMs = 180_000;
const pollMs = 100;
const endedStatuses = new Set(['completed', 'failed', 'rejected', 'cancelled']);

export function createClient(options: Options): Client {
  const { screen, url, who, token, isQuiet = false } = options;

  async function send(method: string, path: string, body?: object): Promise<Answer> {
    if (!isQuiet) screen.request(who, `${method} ${path}`, body && writtenBody(body));
    const work = fetch(`${url}${path}`, {
      method,
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(requestLimitMs),
    }).then(async (response) => ({ status: response.status, body: await response.json() }));
    return screen.during(`${method} ${path}`, work).catch((error: Error) => {
      throw new Untold(`${method} ${path} has no answer: ${error.cause ?? error.message}`);
    });
  }

  async function expect<T>(
    method: string,
    path: string,
    body: object | undefined,
    shape: z.ZodType<T>,
    status: number,
  ) {
    const answer = await send(method, path, body);
    if (answer.status !== status) throw differs(`${method} ${path}`, answer, { status });
    const parsed = shape.safeParse(answer.body);
    if (!parsed.success)
      throw new Untold(`${method} ${path}\n${z.prettifyError(parsed.error)}\nActual:   ${JSON.stringify(answer.body)}`);
    return parsed.data;
  }

  const submit = async (path: string, input: object): Promise<string> =>
    (await expect('POST', path, input, z.object({ job_id: z.string() }), 202)).job_id;

  async function ended(jobId: string, see: (job: Job) => void): Promise<Job> {
    const path = `/api/jobs/${jobId}`;
    for (const until = Date.now() + jobLimitMs; Date.now() < until; await sleep(pollMs)) {
      const { job } = await client.quiet.get(path, z.object({ job: Job }));
      see(job);
      if (endedStatuses.has(job.status)) return job;
    }
    throw new Untold(`GET ${path}: the job has not ended after ${jobLimitMs / 1_000} s`);
  }

  const client: Client = {
    send,
    get: (path, shape) => expect('GET', path, undefined, shape, 200),
    post: (path, body, shape, status = 200) => expect('POST', path, body, shape, status),
    submit,
    ended(jobId) {
      let seen = 'Waiting for the job';
      const see = ({ task, status, progress }: Job): void => {
        seen = `${task} is ${progress ?? status}`;
      };
      return screen.during(() => seen, ended(jobId, see));
    },
    async run(path, input) {
      return client.ended(await submit(path, input));
    },
    get quiet() {
      return isQuiet ? client : createClient({ ...options, isQuiet: true });
    },
  };
  return client;
}

/** The result of a job that must have completed. @throws Untold */
export function resultOf<T>(job: Job, shape: z.ZodType<T>): T {
  if (job.status !== 'completed') throw differs(`Job ${job.id} (${job.task})`, job, { status: 'completed' });
  const parsed = shape.safeParse(job.result);
  if (parsed.success) return parsed.data;
  throw new Untold(
    `The result of ${job.task}\n${z.prettifyError(parsed.error)}\nActual:   ${JSON.stringify(job.result)}`,
  );
}

/** Asks until there is an answer. @throws Untold, named after what was waited for, with what was seen last */
export async function until<T>(what: string, ask: () => Promise<{ found?: T | undefined; seen: unknown }>): Promise<T> {
  let seen: unknown;
  for (const end = Date.now() + jobLimitMs; Date.now() < end; await sleep(pollMs)) {
    const answer = await ask();
    if (answer.found !== undefined) return answer.found;
    seen = answer.seen;
  }
  throw differs(what, seen, `within ${jobLimitMs / 1_000} s`);
}
