/** Sequences, told in sentences: each step and each expectation that is understood is played, the others are named. */
import { expectThat, type Report } from '../report.ts';
import type { Payload, Sequence } from './index-file.ts';
import type { Scene } from './scene.ts';

type Rule = Parameters<Scene['platform']['sandbox']['instagram']['faults']['set']>[0][number];

export async function checkSequences(scene: Scene, report: Report): Promise<void> {
  for (const sequence of scene.index.sequences) {
    const stubs = sequence.steps.map(readStub);
    if (stubs.every((stub) => stub !== undefined)) {
      for (const [i, stub] of stubs.entries())
        await report.check(`${sequence.name}: ${sequence.steps[i]}`, () => playStub(scene, sequence, stub));
      continue;
    }
    const unknown = sequence.steps.find((step) => readStep(step) === undefined);
    const wanted = readReplyCount(sequence.expect);
    if (unknown !== undefined) report.skip(sequence.name, `“${unknown}” is no step that this command knows`);
    else if (wanted === undefined)
      report.skip(sequence.name, `“${sequence.expect}” is nothing that this command can count`);
    else await report.check(sequence.name, () => playSteps(scene, sequence, wanted));
  }
}

type Play = { scene: Scene; lastMid: string; statuses: { status: number; ms: number }[]; down: boolean };
type Step = (play: Play) => Promise<void>;

const messageFor = (scene: Scene, message: object) => {
  const id = scene.index.test_config.connected_accounts[0]?.id ?? '';
  const item = { sender: { id: '1254459154682919' }, recipient: { id }, timestamp: Date.now() - 500, message };
  return { object: 'instagram', entry: [{ id, time: Date.now(), messaging: [item] }] };
};

const steps: { form: RegExp; play: (match: RegExpExecArray) => Step }[] = [
  {
    form: /^(?:re-?)?post (\d+)(?: (again|twice|\d+ times(?: at once)?|concurrently.*|in parallel.*))?$/i,
    play: (match) => async (play) => {
      const number = match[1] ?? '';
      const payload = play.scene.index.payloads.find(({ file }) => file.startsWith(`${number.padStart(2, '0')}-`));
      if (payload === undefined) throw new Error(`there is no payload ${number}`);
      const times =
        match[2] === 'twice'
          ? 2
          : Number(/\d+/.exec(match[2] ?? '')?.[0] ?? (/concurrently|parallel/.test(match[2] ?? '') ? 10 : 1));
      play.statuses.push(...(await Promise.all(Array.from({ length: times }, () => play.scene.post(payload)))));
    },
  },
  {
    form: /^wait until the job is completed(?: and removed)?$/i,
    play:
      () =>
      async ({ scene }) => {
        await scene.settled();
        for (const queue of scene.platform.api.services.queues.byTask.values())
          await queue.clean(0, 10_000, 'completed');
      },
  },
  {
    form: /^(?:pause|stop) (?:the )?workers?$/i,
    play:
      () =>
      ({ scene }) =>
        scene.platform.stopWorkers(),
  },
  {
    form: /^(?:resume|start)(?: (?:the )?workers?)?$/i,
    play:
      () =>
      ({ scene }) =>
        scene.platform.startWorker(),
  },
  {
    form: /^post a text message$/i,
    play: () => async (play) => {
      play.lastMid ||= `mid-${Date.now()}`;
      await play.scene.postEvent(messageFor(play.scene, { mid: play.lastMid, text: 'Hello, is anybody there?' }));
    },
  },
  {
    form: /^post is_deleted for (?:its|the) mid.*$/i,
    play: () => async (play) => {
      play.lastMid ||= `mid-${Date.now()}`;
      await play.scene.postEvent(messageFor(play.scene, { mid: play.lastMid, is_deleted: true }));
    },
  },
  {
    form: /^stop redis$/i,
    play: () => async (play) => {
      play.down = true;
      await play.scene.platform.redis.kill();
    },
  },
  {
    form: /^(?:re)?start redis$/i,
    play: () => async (play) => {
      play.down = false;
      await play.scene.platform.redis.restart({ keepData: true });
    },
  },
];

function readStep(text: string): Step | undefined {
  for (const { form, play } of steps) {
    const match = form.exec(text.trim());
    if (match) return play(match);
  }
  return undefined;
}

/** `exactly 1 reply`, `0 replies`, `one reply`. */
function readReplyCount(expect: string): number | undefined {
  const [, count] = /\b(\d+|no|one|two)\s+repl(?:y|ies)\b/i.exec(expect) ?? [];
  if (count === undefined) return undefined;
  return { no: 0, one: 1, two: 2 }[count.toLowerCase()] ?? Number(count);
}

async function playSteps(scene: Scene, sequence: Sequence, wanted: number): Promise<void> {
  await scene.clear();
  const play: Play = { scene, lastMid: '', statuses: [], down: false };
  for (const step of sequence.steps) await readStep(step)?.(play);
  for (const { status, ms } of play.statuses)
    expectThat(`status ${status} after ${ms} ms`, status === 200 && ms < 5_000);
  const { rowCount } = await scene.platform.db.pool.query('select from webhook_events limit 1');
  expectThat('nothing was committed', rowCount === 1);
  if (play.down) await scene.platform.redis.restart({ keepData: true });
  await scene.settled();
  const sent = scene.sent().length;
  expectThat(`${sent} replies were sent`, sent === wanted);
}

/** `stub 613/2534040`, `stub HTTP 503`, `stub Graph API: accept then never answer`. */
function readStub(step: string): Rule | undefined {
  const [, code, subcode] = /^stub (\d+)(?:\/(\d+))?$/i.exec(step) ?? [];
  if (code !== undefined)
    return { kind: 'error', code: Number(code), ...(subcode !== undefined && { subcode: Number(subcode) }) };
  const [, status] = /^stub HTTP (\d{3})$/i.exec(step) ?? [];
  if (status === '429') return { kind: 'error', status: 429, code: 4 };
  if (status !== undefined)
    return Number(status) >= 500
      ? { kind: 'server_error', status: Number(status) }
      : { kind: 'error', status: Number(status) };
  if (/never answer|time ?out|hang/i.test(step)) return { kind: 'hang' };
  if (/reset|connection closed/i.test(step)) return { kind: 'reset' };
  return undefined;
}

async function playStub(scene: Scene, { expect }: Sequence, rule: Rule): Promise<void> {
  await scene.clear();
  const isRetried = /retried/i.test(expect);
  scene.platform.sandbox.instagram.faults.set([{ ...rule, ...(isRetried && { times: 1 }) }]);
  const payload = scene.index.payloads.find(isOneComment);
  if (payload === undefined) throw new Error('the folder has no payload with one comment');
  const before = scene.platform.sandbox.book.totals().requests;
  await scene.post(payload);
  await scene.settled();
  const sent = scene.sent();
  const [job] = await scene.jobs();
  const calls = scene.platform.sandbox.book.totals().requests - before;
  if (isRetried) {
    expectThat(`the job ended as ${job?.status}`, job?.status === 'completed');
    expectThat(`${sent.length} requests`, sent.length === 2 && sent.at(-1)?.outcome === 'delivered');
    return expectThat(`the model was called ${calls} times`, calls === 1);
  }
  expectThat(`${sent.length} requests were sent`, sent.length === 1);
  expectThat(`the job ended as ${job?.status}`, job?.status === 'failed');
  if (/uncertain|unknown/i.test(expect))
    expectThat(`it ended as ${job?.error_code}`, job?.error_code === 'send_uncertain');
  if (/needs_(?:reauth|login)/i.test(expect)) {
    const { rows } = await scene.platform.db.pool.query<{ ig_user_id: string; state: string }>(
      'select ig_user_id, state from instagram_accounts',
    );
    const account = payload.expect.reply_jobs[0]?.account_id;
    for (const { ig_user_id, state } of rows)
      expectThat(`${ig_user_id} is ${state}`, state === (ig_user_id === account ? 'needs_login' : 'active'));
  }
}

const isOneComment = ({ expect: { reply_jobs: replies } }: Payload): boolean =>
  replies.length === 1 && replies[0]?.type === 'comment-private-reply';
