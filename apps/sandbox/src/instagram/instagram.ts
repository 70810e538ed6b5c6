/** The stand-in for Instagram: an API that takes messages, and webhooks that announce comments, messages and echoes. */
import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from '@tally/core';
import { Hono } from 'hono';
import { z } from 'zod';
import { faultRoutes } from '../fault-rules.ts';
import { pageOf } from '../pages.ts';
import { nextAfter, PageQuery } from '../record.ts';
import { type AnnouncedEvent, FireInput, isComment, textOf, webhookPayload } from './events.ts';
import { createGraphFaults, GraphFaultRule } from './faults.ts';
import { createGraphRoutes } from './graph.ts';
import { createSends } from './sends.ts';
import { InstagramSettings } from './settings.ts';
import { createThreads, type DirectMessage } from './threads.ts';
import { postWebhook, type WebhookAnswer, writeAsMeta } from './webhook.ts';

export type InstagramOptions = { appSecret?: string | undefined; webhookUrl?: string | undefined };

/** What the webhook's receiver answered, what it was sent, and the comment's or the message's id in it. */
type Fired = WebhookAnswer & { payload: unknown; comment_id: string | null; mid: string | null };

export type Instagram = ReturnType<typeof createInstagram>;

/** Without a secret one of its own, so that nothing is ever signed with a known one by accident. */
export function createInstagram({ webhookUrl, appSecret }: InstagramOptions, logger?: Logger) {
  const app_secret = appSecret ?? randomBytes(16).toString('hex');
  const settings = { current: InstagramSettings.parse({ webhook_url: webhookUrl, app_secret }) };
  const [sends, faults, threads] = [createSends(), createGraphFaults(), createThreads()];
  /** Accounts whose events go to the app, and the fields that they were subscribed to. */
  const subscriptions = new Map<string, string[]>();
  let echoes = new AbortController();

  async function echo(igUserId: string, { id: mid, text, toId, at }: DirectMessage): Promise<void> {
    const { echo, webhook_url, echo_delay_ms } = settings.current;
    if (!echo || webhook_url === null) return;
    const { signal } = echoes;
    await wait(echo_delay_ms, undefined, { ref: false, signal }).catch(() => undefined);
    if (signal.aborted) return;
    const event = { kind: 'echo', ig_user_id: igUserId, from: { id: toId }, mid, text, timestamp_ms: at } as const;
    const { status, body } = await fire(event);
    if (status !== 200) logger?.warn({ status, body, mid }, 'an echo was not taken');
  }

  async function fire(given: FireInput): Promise<Fired> {
    const input = FireInput.parse(given);
    if (input.kind === 'raw') {
      const body = typeof input.payload === 'string' ? input.payload : writeAsMeta(input.payload);
      const answer = await postWebhook(settings.current, body, input.signature);
      return { ...answer, payload: input.payload, comment_id: null, mid: null };
    }
    const { comment_id, mid, timestamp_ms, signature } = input;
    const event: AnnouncedEvent = {
      ...input,
      comment_id: comment_id ?? threads.newCommentId(),
      mid: mid ?? threads.newMessageId(input.ig_user_id, input.from.id),
      timestamp_ms: timestamp_ms ?? Date.now(),
    };
    remember(event);
    const payload = webhookPayload(event);
    const answer = await postWebhook(settings.current, writeAsMeta(payload), signature);
    const ids = isComment(event) ? { comment_id: event.comment_id, mid: null } : { comment_id: null, mid: event.mid };
    return { ...answer, payload, ...ids };
  }

  function remember(event: AnnouncedEvent): void {
    const { kind, from, mid: id, ig_user_id: toId, timestamp_ms: at } = event;
    threads.meet(from);
    if (isComment(event)) threads.addComment(event.comment_id, from.id);
    if (kind === 'message') threads.addMessage({ id, text: textOf(event) ?? '', fromId: from.id, toId, at });
  }

  return {
    sends,
    faults,
    subscriptions,
    settings,
    /** Announces an event by a signed webhook, and keeps what the API must know of it. */
    fire,
    graph: createGraphRoutes({ sends, faults, threads, subscriptions, settings, onDelivered: echo }),
    /** Forgets sends, conversations, subscriptions and faults; settings stay. */
    clear(): void {
      for (const forgettable of [sends, faults, threads, subscriptions]) forgettable.clear();
    },
    /** Drops the echoes that are still to come. */
    stop(): void {
      echoes.abort();
      echoes = new AbortController();
    },
  };
}

const SendsQuery = PageQuery.extend({ ig_user_id: z.string().optional() });

/** Under `/sandbox/instagram`: fires events, shows sends, sets faults and settings. Bodies that don't fit are a 400. */
export function createInstagramRoutes({ sends, faults, subscriptions, settings, fire }: Instagram): Hono {
  return new Hono()
    .get('/', (c) => c.html(pageOf('instagram')))
    .get('/sends', (c) => {
      const query = SendsQuery.parse(c.req.query());
      const listed = sends.list(query);
      return c.json({ sends: listed, next_after: nextAfter(listed, query.limit) });
    })
    .delete('/sends', (c) => {
      sends.clear();
      return c.json({ sends: [], next_after: null });
    })
    .get('/subscriptions', (c) => c.json({ subscriptions: Object.fromEntries(subscriptions) }))
    .route('/faults', faultRoutes(faults, GraphFaultRule))
    .get('/settings', (c) => c.json(shown(settings.current)))
    .put('/settings', async (c) => {
      // What isn't named stays: a test that wants no echoes need not know the secret.
      const changes = z.looseObject({}).parse(await c.req.json());
      settings.current = InstagramSettings.parse({ ...settings.current, ...changes });
      return c.json(shown(settings.current));
    })
    .post('/fire', async (c) => {
      // A page of somebody else's could otherwise send signed events from the browser of whoever runs the sandbox.
      if (c.req.header('sec-fetch-site') === 'cross-site') return c.json({ error: 'not from another site' }, 403);
      return c.json(await fire(FireInput.parse(await c.req.json())));
    });
}

/** The secret is for signing, not for reading. */
const shown = ({ app_secret, ...rest }: InstagramSettings): object => ({ ...rest, app_secret_set: app_secret !== '' });
