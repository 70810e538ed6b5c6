/** The tenants at work: they submit, wait, look, repeat themselves and change their minds, all by the seed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.ts';
import type { World } from '../world.ts';
import { send } from './http.ts';
import { type Submission, submit, submitAgain } from './submit.ts';
import type { Account } from './tenants.ts';

export type Traffic = {
  /** No new story begins; resolves once those under way are over. */
  stop(): Promise<void>;
  /** Stories under way. */
  open(): number;
};

/** Stories at a time, over all tenants: in an outage nobody begins more. */
const maxOpen = 80;
/** Beyond that the machine has more to do than it can, and needs time to recover. */
const maxOpenJobs = 250;
const lookEveryMs = 400;
const maxLookMs = 30_000;

/** Begins `perSecond` stories a second on behalf of each tenant. */
export function startTraffic(world: World, random: Random): Traffic {
  const { rich, poor, short, instagram } = world.tenants;
  const rates: [Account, number][] = [
    [rich, 9],
    [poor, 3],
    [short, 3],
    [instagram, 1],
  ];
  const stopped = new AbortController();
  const stories = new Set<Promise<void>>();

  async function keepTelling(account: Account, perSecond: number): Promise<void> {
    const own = random.fork(account.name);
    for (let number = 1; !stopped.signal.aborted; number++) {
      if (stories.size < maxOpen && world.journal.openJobs < maxOpenJobs) {
        const story = tell(world, account, number, own.fork(String(number)), stopped.signal)
          .catch((error: unknown) => world.say(`a client failed: ${String(error)}`))
          .finally(() => stories.delete(story));
        stories.add(story);
      }
      const gapMs = 1_000 / perSecond;
      await sleep(own.int(0, 2 * gapMs), undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  }

  const loops = rates.map(([account, perSecond]) => keepTelling(account, perSecond));
  return {
    open: () => stories.size,
    async stop() {
      stopped.abort();
      await Promise.all(loops);
      await Promise.all(stories);
    },
  };
}

/** One submission and what its client does about it. */
async function tell(
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
  if (random.chance(0.3)) return look(world, account, jobId, stopped);
}

/** What is asked; no two submissions of a run say the same. */
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

/** Looks at a job until it has ended: it must be there, and never change once it has ended. */
async function look({ fleet, journal }: World, account: Account, jobId: string, stopped: AbortSignal): Promise<void> {
  const until = Date.now() + maxLookMs;
  for (let door = 0; Date.now() < until && !stopped.aborted; door++) {
    const api = fleet.apis[door % fleet.apis.length];
    const answer = await send(api?.url ?? '', { method: 'GET', path: `/api/jobs/${jobId}`, token: account.token });
    if (answer?.status === 200) journal.see(jobId, (answer.body.job as { status: string }).status);
    else if (answer !== undefined && answer.status !== 503)
      journal.violate('promises', `job ${jobId} was accepted, and asking for it is answered ${answer.status}`);
    if (journal.endings.has(jobId)) return;
    await sleep(lookEveryMs);
  }
}

/** What a request to cancel may be answered: done, under way, too late, not now. */
const cancelAnswers = [200, 202, 409, 503];

async function cancel({ fleet, journal }: World, account: Account, jobId: string, random: Random): Promise<void> {
  await sleep(random.int(0, 500));
  const api = random.pick(fleet.apis);
  const answer = await send(api.url, { method: 'DELETE', path: `/api/jobs/${jobId}`, token: account.token });
  if (answer === undefined) return;
  if (!cancelAnswers.includes(answer.status))
    journal.violate('answers', `cancelling ${jobId} is answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  if (answer.status === 200) journal.see(jobId, (answer.body.job as { status: string }).status);
}
