/** Runs sequences, whose steps and expectations are English sentences; skips those that it can't parse. */
import { expectThat, type Report } from '../report.ts';
import type { Payload, Sequence } from './index-file.ts';
import type { Scene } from './scene.ts';
import { endKillableWorker, isKill, newRun, readStep, restoreStores, useKillableWorker } from './steps.ts';

const maxMs = 5_000;

type Rule = Parameters<Scene['platform']['sandbox']['instagram']['faults']['set']>[0][number];

export async function checkSequences(scene: Scene, report: Report): Promise<void> {
  for (const sequence of scene.index.sequences) {
    const stubs = sequence.steps.map(readStub);
    if (stubs.every((stub) => stub !== undefined)) {
      for (const [i, stub] of stubs.entries())
        await report.check(`${sequence.name}: ${sequence.steps[i]}`, () => runStub(scene, sequence, stub));
      continue;
    }
    const unknown = sequence.steps.find((step) => readStep(step) === undefined);
    const wanted = readReplyCount(sequence.expect);
    if (unknown !== undefined) report.skip(sequence.name, `unknown step “${unknown}”`);
    else if (wanted === undefined) report.skip(sequence.name, `no number of replies in “${sequence.expect}”`);
    else await report.check(sequence.name, () => runSteps(scene, sequence, wanted));
  }
}

type Wanted = { count: number; atMost: boolean };

/** Parses `exactly 1 reply`, `0 replies`, `one reply` or `at most 1 send`. */
function readReplyCount(expect: string): Wanted | undefined {
  const [, atMost, count] =
    /(at most )?(?:\b|^)(\d+|no|one|two|a single)\s+(?:\w+\s+)?(?:repl(?:y|ies)|sends?|messages?)\b/i.exec(expect) ??
    [];
  if (count === undefined) return undefined;
  const words: Record<string, number> = { no: 0, one: 1, two: 2, 'a single': 1 };
  return { count: words[count.toLowerCase()] ?? Number(count), atMost: atMost !== undefined };
}

async function runSteps(scene: Scene, sequence: Sequence, wanted: Wanted): Promise<void> {
  await scene.clear();
  const run = newRun(scene);
  if (sequence.steps.some(isKill)) await useKillableWorker(run);
  for (const step of sequence.steps) await readStep(step)?.(run);
  for (const { status, ms, isStorageUp } of run.posts) {
    expectThat(`answered after ${ms} ms`, ms < maxMs);
    expectThat(`status ${status}`, isStorageUp ? status === 200 : status >= 500);
  }
  await restoreStores(run);
  const { rowCount } = await scene.platform.db.pool.query('select from webhook_events limit 1');
  expectThat('nothing was committed', rowCount === 1);
  await scene.settled();
  await endKillableWorker(run);
  const sent = scene.sent().length;
  expectThat(`${sent} replies were sent`, wanted.atMost ? sent <= wanted.count : sent === wanted.count);
}

/** Parses `stub 613/2534040`, `stub HTTP 503` or `stub Graph API: accept then never answer`. */
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

async function runStub(scene: Scene, { expect }: Sequence, rule: Rule): Promise<void> {
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
