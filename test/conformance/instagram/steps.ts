/** Parses and runs the steps of a sequence. */
import type { Payload } from './index-file.ts';
import type { Scene } from './scene.ts';

export type SequenceRun = {
  scene: Scene;
  /** Id of the sequence's message. */
  mid: string;
  posts: { payload: Payload | undefined; status: number; ms: number; isStorageUp: boolean }[];
  redisIsDown: boolean;
  postgresIsDown: boolean;
  worker: { kill(): Promise<void> } | undefined;
};
export type Step = (run: SequenceRun) => Promise<void>;

export const newRun = (scene: Scene): SequenceRun => ({
  scene,
  mid: `mid-${Date.now()}`,
  posts: [],
  redisIsDown: false,
  postgresIsDown: false,
  worker: undefined,
});

const timesAtOnce = 10;

const steps: { form: RegExp; run: (match: RegExpExecArray) => Step }[] = [
  {
    form: /^(?:re-?)?(?:post|deliver) (\d+)\b(.*)$/i,
    run: ([, number = '', how = '']) => postPayload(number, timesOf(how)),
  },
  {
    form: /^(?:post|deliver) (?:a|the|its|that) (?:text )?message\b.*$/i,
    run: () => postMessage({ text: 'Hello, is anybody there?' }),
  },
  {
    form: /^(?:post|deliver) (?:the |an? )?(?:is_deleted|unsend)\b.*$/i,
    run: () => postMessage({ is_deleted: true }),
  },
  { form: /^wait until (?:the|every|all) jobs?\b.*(?:complet|end|done|sent|answered).*$/i, run: () => waitForJobs },
  {
    form: /^(?:pause|stop) (?:the |every |all )?workers?\b.*$/i,
    run:
      () =>
      ({ scene }) =>
        scene.platform.stopWorkers(),
  },
  { form: /^(?:resume|start|restart)(?: (?:the |a |every |all )?workers?)?$/i, run: () => startWorker },
  { form: /^(?:kill|crash)\b.*\bworker\b.*$/i, run: () => killWorker },
  { form: /^(?:stop|kill) redis\b.*$/i, run: () => stopRedis },
  { form: /^(?:re)?start redis\b.*$/i, run: () => startRedis },
  { form: /^(?:stop|kill) postgres\b.*$/i, run: () => stopPostgres },
  { form: /^(?:re)?start postgres\b.*$/i, run: () => startPostgres },
];

export function readStep(text: string): Step | undefined {
  for (const { form, run } of steps) {
    const match = form.exec(text.trim());
    if (match) return run(match);
  }
  return undefined;
}

export const isKill = (step: string): boolean => /^(?:kill|crash)\b.*\bworker\b/i.test(step.trim());

/** Parses `twice`, `5 times`, `concurrently` or `10x in parallel`; 1 otherwise. */
function timesOf(how: string): number {
  const [, count] = /(\d+)\s*(?:times|x|×)/i.exec(how) ?? [];
  if (count !== undefined) return Number(count);
  if (/twice/i.test(how)) return 2;
  return /concurrent|parallel|at once|same time|simultaneous/i.test(how) ? timesAtOnce : 1;
}

const postPayload =
  (number: string, times: number): Step =>
  async (run) => {
    const payload = run.scene.index.payloads.find(({ file }) => file.startsWith(`${number.padStart(2, '0')}-`));
    if (payload === undefined) throw new Error(`there is no payload ${number}`);
    const isStorageUp = !run.postgresIsDown;
    const answers = await Promise.all(Array.from({ length: times }, () => run.scene.post(payload)));
    run.posts.push(...answers.map((answer) => ({ ...answer, payload, isStorageUp })));
  };

const postMessage =
  (message: object): Step =>
  async ({ scene, mid }) => {
    const id = scene.index.test_config.connected_accounts[0]?.id ?? '';
    const [sender, recipient] = [{ id: '1254459154682919' }, { id }];
    const item = { sender, recipient, timestamp: Date.now() - 500, message: { mid, ...message } };
    await scene.postEvent({ object: 'instagram', entry: [{ id, time: Date.now(), messaging: [item] }] });
  };

/** Waits for the jobs' end, and removes them from BullMQ. */
const waitForJobs: Step = async ({ scene }) => {
  await scene.settled();
  for (const queue of scene.platform.api.services.queues.byTask.values()) await queue.clean(0, 10_000, 'completed');
};

const startWorker: Step = async (run) => {
  if (run.worker === undefined) await run.scene.platform.startWorker();
  else run.worker = await run.scene.platform.startWorkerProcess();
};

/** Kills the worker after its message was delivered and before it records the answer. */
const killWorker: Step = async (run) => {
  await run.scene.untilSent(1);
  await run.worker?.kill();
};

/** Starts a worker process that can be killed; Instagram delivers its first message but does not answer. */
export async function useKillableWorker(run: SequenceRun): Promise<void> {
  await run.scene.platform.stopWorkers();
  run.scene.platform.sandbox.instagram.faults.set([{ kind: 'hang_after_delivery', times: 1 }]);
  run.worker = await run.scene.platform.startWorkerProcess();
}

export async function endKillableWorker(run: SequenceRun): Promise<void> {
  if (run.worker === undefined) return;
  await run.worker.kill();
  await run.scene.platform.startWorker();
}

const stopRedis: Step = async (run) => {
  run.redisIsDown = true;
  await run.scene.platform.redis.kill();
};
const startRedis: Step = async (run) => {
  run.redisIsDown = false;
  await run.scene.platform.redis.restart({ keepData: true });
};
const stopPostgres: Step = async (run) => {
  run.postgresIsDown = true;
  await run.scene.platform.postgres.stop('immediate');
};
const startPostgres: Step = async (run) => {
  run.postgresIsDown = false;
  await run.scene.platform.postgres.restart();
};

/** Restarts stopped stores and posts again what was answered with a 5xx, as Meta does. */
export async function restoreStores(run: SequenceRun): Promise<void> {
  if (run.redisIsDown) await startRedis(run);
  if (run.postgresIsDown) await startPostgres(run);
  for (const { payload, status } of run.posts)
    if (payload !== undefined && status >= 500) await run.scene.post(payload);
}
