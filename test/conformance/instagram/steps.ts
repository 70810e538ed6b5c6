/** The steps of a sequence, as people write them. */
import type { Payload } from './index-file.ts';
import type { Scene } from './scene.ts';

export type Play = {
  scene: Scene;
  /** The message that the sequence speaks of. */
  mid: string;
  posts: { payload: Payload | undefined; status: number; ms: number; isStorageUp: boolean }[];
  redisIsDown: boolean;
  postgresIsDown: boolean;
  worker: { kill(): Promise<void> } | undefined;
};
export type Step = (play: Play) => Promise<void>;

export const newPlay = (scene: Scene): Play => ({
  scene,
  mid: `mid-${Date.now()}`,
  posts: [],
  redisIsDown: false,
  postgresIsDown: false,
  worker: undefined,
});

const timesAtOnce = 10;

const steps: { form: RegExp; play: (match: RegExpExecArray) => Step }[] = [
  {
    form: /^(?:re-?)?(?:post|deliver) (\d+)\b(.*)$/i,
    play: ([, number = '', how = '']) => postPayload(number, timesOf(how)),
  },
  {
    form: /^(?:post|deliver) (?:a|the|its|that) (?:text )?message\b.*$/i,
    play: () => postMessage({ text: 'Hello, is anybody there?' }),
  },
  {
    form: /^(?:post|deliver) (?:the |an? )?(?:is_deleted|unsend)\b.*$/i,
    play: () => postMessage({ is_deleted: true }),
  },
  { form: /^wait until (?:the|every|all) jobs?\b.*(?:complet|end|done|sent|answered).*$/i, play: () => waitForJobs },
  {
    form: /^(?:pause|stop) (?:the |every |all )?workers?\b.*$/i,
    play:
      () =>
      ({ scene }) =>
        scene.platform.stopWorkers(),
  },
  { form: /^(?:resume|start|restart)(?: (?:the |a |every |all )?workers?)?$/i, play: () => startWorker },
  { form: /^(?:kill|crash)\b.*\bworker\b.*$/i, play: () => killWorker },
  { form: /^(?:stop|kill) redis\b.*$/i, play: () => stopRedis },
  { form: /^(?:re)?start redis\b.*$/i, play: () => startRedis },
  { form: /^(?:stop|kill) postgres\b.*$/i, play: () => stopPostgres },
  { form: /^(?:re)?start postgres\b.*$/i, play: () => startPostgres },
];

export function readStep(text: string): Step | undefined {
  for (const { form, play } of steps) {
    const match = form.exec(text.trim());
    if (match) return play(match);
  }
  return undefined;
}

export const isKill = (step: string): boolean => /^(?:kill|crash)\b.*\bworker\b/i.test(step.trim());

/** `twice`, `5 times`, `concurrently`, `10x in parallel`; once where nothing is said. */
function timesOf(how: string): number {
  const [, count] = /(\d+)\s*(?:times|x|×)/i.exec(how) ?? [];
  if (count !== undefined) return Number(count);
  if (/twice/i.test(how)) return 2;
  return /concurrent|parallel|at once|same time|simultaneous/i.test(how) ? timesAtOnce : 1;
}

const postPayload =
  (number: string, times: number): Step =>
  async (play) => {
    const payload = play.scene.index.payloads.find(({ file }) => file.startsWith(`${number.padStart(2, '0')}-`));
    if (payload === undefined) throw new Error(`there is no payload ${number}`);
    const isStorageUp = !play.postgresIsDown;
    const answers = await Promise.all(Array.from({ length: times }, () => play.scene.post(payload)));
    play.posts.push(...answers.map((answer) => ({ ...answer, payload, isStorageUp })));
  };

const postMessage =
  (message: object): Step =>
  async ({ scene, mid }) => {
    const id = scene.index.test_config.connected_accounts[0]?.id ?? '';
    const [sender, recipient] = [{ id: '1254459154682919' }, { id }];
    const item = { sender, recipient, timestamp: Date.now() - 500, message: { mid, ...message } };
    await scene.postEvent({ object: 'instagram', entry: [{ id, time: Date.now(), messaging: [item] }] });
  };

/** Until they have ended, and BullMQ has forgotten them. */
const waitForJobs: Step = async ({ scene }) => {
  await scene.settled();
  for (const queue of scene.platform.api.services.queues.byTask.values()) await queue.clean(0, 10_000, 'completed');
};

const startWorker: Step = async (play) => {
  if (play.worker === undefined) await play.scene.platform.startWorker();
  else play.worker = await play.scene.platform.startWorkerProcess();
};

/** Once Instagram has a message, before its answer is written down. */
const killWorker: Step = async (play) => {
  await play.scene.untilSent(1);
  await play.worker?.kill();
};

/** A worker that can be killed, and an Instagram that keeps it waiting for the answer to its first message. */
export async function useKillableWorker(play: Play): Promise<void> {
  await play.scene.platform.stopWorkers();
  play.scene.platform.sandbox.instagram.faults.set([{ kind: 'hang_after_delivery', times: 1 }]);
  play.worker = await play.scene.platform.startWorkerProcess();
}

export async function endKillableWorker(play: Play): Promise<void> {
  if (play.worker === undefined) return;
  await play.worker.kill();
  await play.scene.platform.startWorker();
}

const stopRedis: Step = async (play) => {
  play.redisIsDown = true;
  await play.scene.platform.redis.kill();
};
const startRedis: Step = async (play) => {
  play.redisIsDown = false;
  await play.scene.platform.redis.restart({ keepData: true });
};
const stopPostgres: Step = async (play) => {
  play.postgresIsDown = true;
  await play.scene.platform.postgres.stop('immediate');
};
const startPostgres: Step = async (play) => {
  play.postgresIsDown = false;
  await play.scene.platform.postgres.restart();
};

/** Starts again what is down, and delivers what was not taken, as Meta does. */
export async function putRight(play: Play): Promise<void> {
  if (play.redisIsDown) await startRedis(play);
  if (play.postgresIsDown) await startPostgres(play);
  for (const { payload, status } of play.posts)
    if (payload !== undefined && status >= 500) await play.scene.post(payload);
}
