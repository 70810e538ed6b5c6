/** Tenant traffic, drawn from the seed: clients submit, wait, poll, repeat and cancel. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.ts';
import type { World } from '../world.ts';
import { send } from './http.ts';
import { type Submission, submit, submitAgain } from './submit.ts';
import type { Account } from './tenants.ts';

export type Traffic = {
  /** Starts no new session; resolves once the running ones have ended. */
  stop(): Promise<void>;
  /** The number of running sessions. */
  open(): number;
};

/** Concurrent sessions over all tenants: bounds the load during an outage. */
const maxOpen = 80;
/** No session starts while more jobs are open, so that the machine can catch up. */
const maxOpenJobs = 250;
const pollEveryMs = 400;
const maxPollMs = 30_000;

/** Starts sessions for each tenant at its own rate. */
export function startTraffic(world: World, random: Random): Traffic {
  const { rich, poor, short, instagram } = world.tenants;
  const rates: [Account, number][] = [
    [rich, 9],
    [poor, 3],
    [short, 3],
    [instagram, 1],
  ];
  const stopped = new AbortController();
  const sessions = new Set<Promise<void>>();

  async function keepStarting(account: Account, perSecond: number): Promise<void> {
    const own = random.fork(account.name);
    for (let number = 1; !stopped.signal.aborted; number++) {
      if (sessions.size < maxOpen && world.journal.openJobs < maxOpenJobs) {
        const session = runSession(world, account, number, own.fork(String(number)), stopped.signal)
          .catch((error: unknown) => world.say(`a client failed: ${String(error)}`))
          .finally(() => sessions.delete(session));
        sessions.add(session);
      }
      const gapMs = 1_000 / perSecond;
      await sleep(own.int(0, 2 * gapMs), undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  }

  const loops = rates.map(([account, perSecond]) => keepStarting(account, perSecond));
  return {
    open: () => sessions.size,
    async stop() {
      stopped.abort();
      await Promise.all(loops);
      await Promise.all(sessions);
    },
  };
}

/** One session: a submission, then possibly a repeat, a cancellation or polling. */
async function runSession(
  world: World,
  account: Account,
  number: number,
  random: Random,
  stopped: AbortSignal,
): Promise<void> {
  const key = random.chance(0.7) ? `${account.name}-${number}` : undefined;
  const waitSeconds = random.chance(0.1) ? random.int(1, 5) : undefined;
  const submission: Submission = { ...write(account, number, random), key, waitSeconds };
  const jobId = await submit(world, account, submission, random);
  if (jobId === undefined) return;
  if (key !== undefined && random.chance(0.2)) await submitAgain(world, account, { ...submission, key }, jobId, random);
  if (random.chance(0.08)) return cancel(world, account, jobId, random);
  if (random.chance(0.3)) return pollJob(world, account, jobId, stopped);
}

/** Draws the task and its input; the input is unique within the run. */
function write(account: Account, number: number, random: Random): Pick<Submission, 'path' | 'input'> {
  const mark = `(${account.name} ${number})`;
  const questions = ['How many days do I have to return a lamp?', 'Do you ship to Spain?', 'چند روز برای مرجوعی دارم؟'];
  const kind = random.int(1, 10);
  if (kind <= 6) return { path: '/api/ai/ask-question', input: { question: `${random.pick(questions)} ${mark}` } };
  if (kind === 7)
    return { path: '/api/web-knowledge/generate-prompt', input: { prompt: `be nice, no discounts ${mark}` } };
  if (kind === 8) {
    const text = `The lamp ${number} costs ${random.int(50, 300)} EUR and has a guarantee of 5 years. ${mark}`;
    return { path: '/api/web-knowledge/generate-qa', input: { text, count: 2 } };
  }
  const input = { customer: `customer ${random.int(1, 300)}`, text: `Hi! ${random.pick(questions)} ${mark}` };
  return { path: '/api/chat/messages', input };
}

/** Polls a job until it has ended: it must exist, and its final status must not change. */
async function pollJob(
  { fleet, journal }: World,
  account: Account,
  jobId: string,
  stopped: AbortSignal,
): Promise<void> {
  const until = Date.now() + maxPollMs;
  for (let apiIndex = 0; Date.now() < until && !stopped.aborted; apiIndex++) {
    const api = fleet.apis[apiIndex % fleet.apis.length];
    const answer = await send(api?.url ?? '', { method: 'GET', path: `/api/jobs/${jobId}`, token: account.token });
    if (answer?.status === 200) journal.recordStatus(jobId, (answer.body.job as { status: string }).status);
    else if (answer !== undefined && answer.status !== 503)
      journal.addViolation('promises', `job ${jobId} was accepted, but GET is answered ${answer.status}`);
    if (journal.endings.has(jobId)) return;
    await sleep(pollEveryMs);
  }
}

/** Allowed answers to a cancellation: cancelled, requested, already ended, unavailable. */
const cancelAnswers = [200, 202, 409, 503];

async function cancel({ fleet, journal }: World, account: Account, jobId: string, random: Random): Promise<void> {
  await sleep(random.int(0, 500));
  const api = random.pick(fleet.apis);
  const answer = await send(api.url, { method: 'DELETE', path: `/api/jobs/${jobId}`, token: account.token });
  if (answer === undefined) return;
  if (!cancelAnswers.includes(answer.status))
    journal.addViolation('answers', `cancelling ${jobId} is answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  if (answer.status === 200) journal.recordStatus(jobId, (answer.body.job as { status: string }).status);
}
