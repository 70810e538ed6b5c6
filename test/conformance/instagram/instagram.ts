/** Runs a folder's cases for Instagram webhooks: handshakes, signatures, payloads and sequences. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ConfigError } from '@tally/core';
import { expectSame, expectThat, type Report } from '../report.ts';
import { type Handshake, Index, type Payload, type Reply, type SignatureCase } from './index-file.ts';
import { accessToken, openScene, type Scene, type Sent } from './scene.ts';
import { checkSequences } from './sequences.ts';

const maxMs = 5_000;

export async function checkInstagram(indexFile: string, report: Report): Promise<void> {
  const folder = dirname(indexFile);
  const index = Index.parse(JSON.parse(readFileSync(indexFile, 'utf8')));
  const scene = await openScene(folder, index);
  try {
    report.section('Instagram: handshake');
    for (const one of index.handshake_cases) await report.check(one.name, () => handshake(scene, one));
    report.section('Instagram: signatures');
    const { body_file, cases } = index.signature_cases ?? { body_file: '', cases: [] };
    for (const one of cases) await report.check(one.name, () => signature(scene, join(folder, body_file), one));
    await scene.platform.startWorker();
    report.section('Instagram: payloads');
    for (const payload of index.payloads)
      await report.check(`${payload.file} ${payload.title}`, () => receive(scene, payload));
    report.section('Instagram: sequences');
    await checkSequences(scene, report);
  } finally {
    await scene.close();
  }
}

/** The URL of an API with the case's settings; undefined where they are invalid. */
async function serverFor(scene: Scene, config: Record<string, string> | undefined): Promise<string | undefined> {
  if (config === undefined) return scene.platform.api.url;
  const names: Record<string, string> = {
    VERIFY_TOKEN: 'INSTAGRAM_VERIFY_TOKEN',
    IG_APP_SECRET: 'INSTAGRAM_APP_SECRET',
    META_APP_SECRET: 'META_APP_SECRET',
  };
  const env = Object.fromEntries(Object.entries(config).map(([name, value]) => [names[name] ?? name, value]));
  return scene.platform.startApi(env).catch((error) => {
    if (error instanceof ConfigError) return undefined;
    throw error;
  });
}

async function handshake(scene: Scene, { query, server_config, expect }: Handshake): Promise<void> {
  const url = await serverFor(scene, server_config);
  // An API that refuses to start with these settings counts as a refusal of the handshake.
  if (url === undefined) return expectThat('the settings are refused', expect.status !== 200);
  const response = await fetch(`${url}/webhooks/instagram?${query}`);
  const text = await response.text();
  expectThat(`status ${response.status}`, [expect.status, ...expect.also].includes(response.status));
  if (response.status !== 200) {
    const secret = expect.body_must_not_contain;
    return expectThat('the refusal contains the challenge', secret === undefined || !text.includes(secret));
  }
  if (expect.body !== undefined) expectSame('body', text, expect.body);
  const type = response.headers.get('content-type') ?? '';
  expectThat(`content type ${type}`, type.startsWith(expect.content_type ?? 'text/plain'));
}

async function signature(scene: Scene, bodyFile: string, one: SignatureCase): Promise<void> {
  const wanted = typeof one.expect === 'number' ? one.expect : Number(/\d{3}/.exec(one.expect)?.[0] ?? 401);
  const url = await serverFor(scene, one.server_config);
  if (url === undefined) return expectThat('the settings are refused', wanted !== 200);
  const response = await fetch(`${url}/webhooks/instagram`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(one.header !== null && { 'x-hub-signature-256': one.header }),
      ...(one.legacy_header !== undefined && { 'x-hub-signature': one.legacy_header }),
    },
    body: new Uint8Array(readFileSync(bodyFile)),
  });
  const text = await response.text();
  expectThat(`status ${response.status}`, [wanted, ...one.also].includes(response.status));
  expectThat('the refusal contains a signature', !/[0-9a-f]{64}/i.test(text));
}

async function receive(scene: Scene, payload: Payload): Promise<void> {
  await scene.clear();
  const { http_status, http_status_also_acceptable: also, reply_jobs: replies } = payload.expect;
  const { status, ms } = await scene.post(payload);
  expectThat(`status ${status}`, [http_status, ...also].includes(status));
  expectThat(`answered after ${ms} ms`, ms < maxMs);
  await scene.settled();
  expectReplies(scene.sent(), replies);
  await expectTexts(scene, replies);
  const health = await fetch(`${scene.platform.api.url}/health`);
  expectThat('the API still answers', health.ok);
}

/** Expects exactly the listed replies; several messages of one person may share a reply. */
export function expectReplies(sent: Sent[], replies: Reply[]): void {
  const comments = replies.filter(({ type }) => type === 'comment-private-reply');
  const toComments = sent.filter(({ kind }) => kind === 'comment');
  expectSame(
    'private replies',
    toComments.map(({ account, to }) => `${account} ${to}`).sort(),
    comments.map(({ account_id, comment_id }) => `${account_id} ${comment_id}`).sort(),
  );
  const wanted = Map.groupBy(
    replies.filter(({ type }) => type === 'dm-reply'),
    ({ account_id, from_id }) => `${account_id} ${from_id}`,
  );
  const got = Map.groupBy(
    sent.filter(({ kind }) => kind === 'person'),
    ({ account, to }) => `${account} ${to}`,
  );
  expectSame('people answered', [...got.keys()].sort(), [...wanted.keys()].sort());
  for (const [who, messages] of got)
    expectThat(`${messages.length} replies to ${who}`, messages.length <= (wanted.get(who)?.length ?? 0));
  for (const { account, text, outcome } of sent) {
    expectSame('outcome', outcome, 'delivered');
    expectThat(`a reply of ${Buffer.byteLength(text)} bytes`, Buffer.byteLength(text) <= 1_000);
    expectThat('a reply contains the access token', !text.includes(accessToken(account)));
    expectThat('a reply contains the system prompt', !/You answer|Do not cite passages/.test(text));
    expectThat('a reply promises a discount', !/100\s*% discount code:?\s*\w/i.test(text));
  }
}

/** Expects each job's text to equal the payload's, except NUL and lone surrogates, which Postgres can't store. */
async function expectTexts(scene: Scene, replies: Reply[]): Promise<void> {
  const texts = await scene.textsByEvent();
  for (const { comment_id, mid, text } of replies) {
    if (text === undefined) continue;
    expectSame('text', texts.get(comment_id ?? mid ?? ''), text.replaceAll('\0', '').toWellFormed());
  }
}
