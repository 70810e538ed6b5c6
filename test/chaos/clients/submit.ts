/** Submits one job and repeats the request under its idempotency key until the outcome is known. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.ts';
import type { World } from '../world.ts';
import { type Answer, mustRepeat, send } from './http.ts';
import type { Account } from './tenants.ts';

export type Submission = {
  path: string;
  /** Unique within the run. */
  input: object;
  /** The idempotency key; without one the request is sent once. */
  key?: string | undefined;
  /** `Prefer: wait`. */
  waitSeconds?: number | undefined;
};

const maxTries = 60;
const betweenTriesMs = 500;
const beyondWaitMs = 8_000;

/**
 * Submits a job, alternating between the APIs. Returns the job's id; undefined where the account has no tokens left or
 * the outcome is unknown.
 */
export async function submit(
  world: World,
  account: Account,
  submission: Submission,
  random: Random,
): Promise<string | undefined> {
  const tries = submission.key === undefined ? 1 : maxTries;
  const firstApi = random.int(0, world.fleet.apis.length - 1);
  // One in ten keyed requests is aborted by its client within 30 ms.
  const breaksAfterMs = submission.key !== undefined && random.chance(0.1) ? random.int(1, 30) : undefined;
  for (let number = 0; number < tries; number++) {
    const limitMs = number === 0 ? breaksAfterMs : undefined;
    const answer = await sendOnce(world, account, submission, { apiIndex: firstApi + number, limitMs });
    if (!mustRepeat(answer)) return read(world, account, submission, answer);
    if (number > 0) await sleep(betweenTriesMs);
  }
  return undefined;
}

/** Repeats an accepted submission; the answer must name the same job. */
export async function submitAgain(
  world: World,
  account: Account,
  submission: Submission & { key: string },
  jobId: string,
  random: Random,
): Promise<void> {
  const again = await submit(world, account, submission, random);
  if (again !== undefined && again !== jobId)
    world.journal.addViolation(
      'idempotency',
      `key ${submission.key} of ${account.name} became both job ${jobId} and job ${again}`,
    );
}

function sendOnce(
  { fleet }: World,
  { token }: Account,
  { path, input, key, waitSeconds }: Submission,
  { apiIndex, limitMs }: { apiIndex: number; limitMs: number | undefined },
): Promise<Answer | undefined> {
  const api = fleet.apis[apiIndex % fleet.apis.length];
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
    if (job !== undefined) journal.recordStatus(jobId, job.status);
    return jobId;
  }
  // P5: only these accounts may get a 402.
  const mayRunOut = account === tenants.poor || account === tenants.short;
  if (status === 402 && mayRunOut) return undefined;
  const check = status === 409 ? 'idempotency' : 'answers';
  journal.addViolation(check, `${submission.path} answers ${account.name} ${status}: ${JSON.stringify(body)}`);
  return undefined;
}
