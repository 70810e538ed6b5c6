/** One submission as a careful client makes it: repeated under its key until it is known what became of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.ts';
import type { World } from '../world.ts';
import { type Answer, isNotNow, send } from './http.ts';
import type { Account } from './tenants.ts';

export type Submission = {
  path: string;
  /** No other submission has the same one. */
  input: object;
  /** Undefined: it is sent once, whatever comes of it. */
  key?: string | undefined;
  /** `Prefer: wait`. */
  waitSeconds?: number | undefined;
};

const maxTries = 60;
const betweenTriesMs = 500;
const beyondWaitMs = 8_000;

/**
 * Submits, at one API after the other. Returns the job's id; undefined where the submission was refused for want of
 * tokens, or where nobody knows what became of it.
 */
export async function submit(
  world: World,
  account: Account,
  submission: Submission,
  random: Random,
): Promise<string | undefined> {
  const tries = submission.key === undefined ? 1 : maxTries;
  const firstDoor = random.int(0, world.fleet.apis.length - 1);
  // A client whose connection breaks at any moment, rather early.
  const breaksAfterMs = submission.key !== undefined && random.chance(0.1) ? random.int(1, 30) : undefined;
  for (let number = 0; number < tries; number++) {
    const limitMs = number === 0 ? breaksAfterMs : undefined;
    const answer = await sendOnce(world, account, submission, { door: firstDoor + number, limitMs });
    if (!isNotNow(answer)) return read(world, account, submission, answer);
    if (number > 0) await sleep(betweenTriesMs);
  }
  return undefined;
}

/** Submits again what was accepted before; it has to be the same job. */
export async function submitAgain(
  world: World,
  account: Account,
  submission: Submission & { key: string },
  jobId: string,
  random: Random,
): Promise<void> {
  const again = await submit(world, account, submission, random);
  if (again !== undefined && again !== jobId)
    world.journal.violate('idempotency', `key ${submission.key} of ${account.name} is job ${jobId} and job ${again}`);
}

function sendOnce(
  { fleet }: World,
  { token }: Account,
  { path, input, key, waitSeconds }: Submission,
  { door, limitMs }: { door: number; limitMs: number | undefined },
): Promise<Answer | undefined> {
  const api = fleet.apis[door % fleet.apis.length];
  const timeoutMs = waitSeconds === undefined ? undefined : waitSeconds * 1_000 + beyondWaitMs;
  const limit = limitMs ?? timeoutMs;
  return send(api?.url ?? '', {
    method: 'POST',
    path,
    token,
    body: input,
    headers: {
      ...(key === undefined ? {} : { 'idempotency-key': key }),
      ...(waitSeconds === undefined ? {} : { prefer: `wait=${waitSeconds}` }),
    },
    ...(limit === undefined ? {} : { limitMs: limit }),
  });
}

type JobBody = { id: string; status: string };

function read(
  { journal, tenants }: World,
  account: Account,
  submission: Submission,
  answer: Answer | undefined,
): string | undefined {
  if (answer === undefined) return undefined;
  const { status, body } = answer;
  if (status === 202 || status === 200) {
    const job = body.job as JobBody | undefined;
    const jobId = job?.id ?? String(body.job_id);
    if (!journal.promises.has(jobId)) journal.promises.set(jobId, Date.now());
    if (job !== undefined) journal.see(jobId, job.status);
    return jobId;
  }
  // The only ones who may hear that they have no tokens.
  const mayRunOut = account === tenants.poor || account === tenants.short;
  if (status === 402 && mayRunOut) return undefined;
  const check = status === 409 ? 'idempotency' : 'answers';
  journal.violate(check, `${submission.path} answers ${account.name} ${status}: ${JSON.stringify(body)}`);
  return undefined;
}
