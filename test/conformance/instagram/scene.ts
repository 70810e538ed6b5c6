/** Fixture for webhook cases: the platform with the index's accounts connected, and functions to post and inspect. */
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inRepeatedTransaction } from '@tally/db';
import { type Platform, startPlatform } from '../platform.ts';
import type { Index, Payload } from './index-file.ts';

export type Sent = { account: string; to: string; kind: 'comment' | 'person'; text: string; outcome: string };

export type Scene = {
  platform: Platform;
  index: Index;
  /** Posts a payload with its times shifted to now and a new signature, as the index asks; returns status and ms. */
  post(payload: Payload): Promise<{ status: number; ms: number }>;
  postBody(body: Buffer, headers: Record<string, string>): Promise<{ status: number; ms: number }>;
  /** Signs and posts an event that is not in the index; returns the status. */
  postEvent(event: object): Promise<number>;
  /** All send requests to the Graph API since the last `clear`. */
  sent(): Sent[];
  /** Waits until the Graph API has received `count` send requests. @throws after 30 s */
  untilSent(count: number): Promise<void>;
  /** Waits until no job is queued or running. @throws after `limitMs` */
  settled(limitMs?: number): Promise<void>;
  /** The input texts of jobs, by the id of their comment or message. */
  textsByEvent(): Promise<Map<string, string>>;
  jobs(): Promise<{ id: string; task: string; status: string; error_code: string | null; attempts: number }[]>;
  /** Resets to the initial state: no events, no sends, no faults, every account connected. */
  clear(): Promise<void>;
  close(): Promise<void>;
};

const sentLimitMs = 30_000;

export const accessToken = (igUserId: string): string => `IGAA-conformance-${igUserId}`;

export async function openScene(folder: string, index: Index): Promise<Scene> {
  const { test_config: config } = index;
  const platform = await startPlatform({
    INSTAGRAM_APP_SECRET: config.IG_APP_SECRET,
    META_APP_SECRET: config.META_APP_SECRET,
    INSTAGRAM_VERIFY_TOKEN: config.VERIFY_TOKEN,
  });
  const { db, sandbox } = platform;
  const { settings, sends, faults } = sandbox.instagram;
  settings.current = {
    ...settings.current,
    webhook_url: `${platform.api.url}/webhooks/instagram`,
    app_secret: config.IG_APP_SECRET,
  };
  const tenants = await Promise.all(
    config.connected_accounts.map(({ username }) => platform.newTenant(`${username}@example.com`)),
  );
  const clockMs = Date.parse(config.clock);

  async function connectAll(): Promise<void> {
    for (const [i, { id, username, self_ig_scoped_id }] of config.connected_accounts.entries()) {
      const token = tenants[i]?.token ?? '';
      const body = { ig_user_id: id, username, access_token: accessToken(id), auto_reply: true, self_ig_scoped_id };
      const { status, text } = await platform.call('POST', '/api/instagram/accounts', { token, body });
      if (status !== 201) throw new Error(`${username} could not be connected: ${status} ${text}`);
    }
  }
  await connectAll();
  for (const [i, { id }] of config.connected_accounts.entries()) {
    const body = { ig_user_id: id, name: 'every comment' };
    await platform.call('POST', '/api/workflows', { token: tenants[i]?.token ?? '', body });
  }

  async function postBody(body: Buffer, headers: Record<string, string>) {
    const began = performance.now();
    const url = `${platform.api.url}/webhooks/instagram`;
    const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) });
    await response.arrayBuffer();
    return { status: response.status, ms: performance.now() - began };
  }
  const signed = (body: Buffer, secret: string): string =>
    `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;

  /** Repeated, since maintenance may lock these tables in another order and cause a deadlock. */
  const truncateAll = () =>
    inRepeatedTransaction(db, (client) =>
      client.query(
        'truncate webhook_events, messages, conversations, instagram_sends, instagram_opt_outs, jobs, job_steps',
      ),
    );

  return {
    platform,
    index,
    postBody,
    post: (payload) => {
      const body = shifted(readFileSync(join(folder, payload.file)), Date.now() - clockMs);
      const signature = signed(body, config[payload.signed_with]);
      return postBody(body, { ...payload.headers, 'x-hub-signature-256': signature });
    },
    postEvent: async (event) => {
      const body = Buffer.from(JSON.stringify(event));
      const headers = { 'content-type': 'application/json', 'x-hub-signature-256': signed(body, config.IG_APP_SECRET) };
      return (await postBody(body, headers)).status;
    },
    sent: () =>
      sends.list({ limit: 10_000 }).map(({ ig_user_id: account, recipient, text, outcome }) => ({
        account,
        to: recipient === null ? '' : 'id' in recipient ? recipient.id : recipient.comment_id,
        kind: recipient !== null && 'comment_id' in recipient ? 'comment' : 'person',
        text: text ?? '',
        outcome,
      })),
    async untilSent(count) {
      for (const end = Date.now() + sentLimitMs; sends.list().length < count; await sleep(10))
        if (Date.now() > end) throw new Error(`nothing was sent within ${sentLimitMs} ms`);
    },
    async settled(limitMs = 90_000) {
      for (const end = Date.now() + limitMs; Date.now() < end; await sleep(25)) {
        const running = db.pool.query(`select from jobs where status in ('queued', 'running') limit 1`);
        if ((await running.catch(() => undefined))?.rowCount === 0) return;
      }
      throw new Error(`jobs have not ended within ${limitMs} ms`);
    },
    async textsByEvent() {
      const { rows } = await db.pool.query<{ id: string; text: string }>(
        `select e.external_id as id, j.input ->> 'text' as text from webhook_events e join jobs j on j.id = e.job_id`,
      );
      return new Map(rows.map(({ id, text }) => [id, text]));
    },
    async jobs() {
      const { rows } = await db.pool.query('select id, task, status, error_code, attempts from jobs order by id');
      return rows;
    },
    async clear() {
      await truncateAll();
      // A pending echo would refer to deleted rows.
      sandbox.instagram.stop();
      sandbox.instagram.clear();
      faults.clear();
      sandbox.faults.clear();
      await connectAll();
    },
    close: () => platform.close(),
  };
}

/** Shifts Unix times (10 or 13 digits that start with 17 or 18) by `byMs`; keeps all other bytes. */
function shifted(body: Buffer, byMs: number): Buffer {
  const text = body.toString('latin1').replace(/(?<!\d)1[78]\d{8}(?:\d{3})?(?!\d)/g, (number) => {
    const by = number.length === 10 ? Math.floor(byMs / 1_000) : byMs;
    return String(Number(number) + by);
  });
  return Buffer.from(text, 'latin1');
}
