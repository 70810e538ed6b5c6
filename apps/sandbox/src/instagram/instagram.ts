/** The stand-in for Instagram: an API that takes messages, and webhooks that announce comments, messages and echoes. */
import { randomBytes } from 'node:crypto';
import type { Logger } from '@tally/core';
import { createGraphFaults, type GraphFaults } from './faults.ts';
import { FireInput, textOf } from './fire-input.ts';
import { createGraphHandler, type GraphHandler } from './graph.ts';
import { createIds } from './ids.ts';
import { type AnnouncedEvent, isComment, webhookPayload } from './payloads.ts';
import { createSends, type Sends } from './sends.ts';
import { InstagramSettings } from './settings.ts';
import type { Subscriptions } from './subscriptions.ts';
import { createThreads, type DirectMessage } from './threads.ts';
import { postWebhook, type WebhookAnswer, writeAsMeta } from './webhook.ts';

export type InstagramOptions = { appSecret?: string | undefined; webhookUrl?: string | undefined };

/** What the webhook's receiver answered, what it was sent, and the comment's or the message's id in it. */
export type Fired = WebhookAnswer & { payload: unknown; comment_id: string | null; mid: string | null };

export type Instagram = {
  sends: Sends;
  faults: GraphFaults;
  /** Accounts whose events go to the app, and the fields that they were subscribed to. */
  subscriptions: Subscriptions;
  settings: { current: InstagramSettings };
  /** Announces an event by a signed webhook, and keeps what the API must know of it. */
  fire: (input: FireInput) => Promise<Fired>;
  graph: GraphHandler;
  /** Forgets sends, conversations, subscriptions and faults; settings stay. */
  clear: () => void;
  /** Drops the echoes that are still to come. */
  stop: () => void;
};

/** Without a secret one of its own, so that nothing is ever signed with a known one by accident. */
export function createInstagram(options: InstagramOptions, logger?: Logger): Instagram {
  const settings = {
    current: InstagramSettings.parse({
      webhook_url: options.webhookUrl ?? null,
      app_secret: options.appSecret ?? randomBytes(16).toString('hex'),
    }),
  };
  const [sends, faults, threads, ids] = [createSends(), createGraphFaults(), createThreads(), createIds()];
  const subscriptions: Subscriptions = new Map();
  const pendingEchoes = new Set<NodeJS.Timeout>();

  function echo(igUserId: string, message: DirectMessage): void {
    if (!settings.current.echo || settings.current.webhook_url === null) return;
    const timer = setTimeout(async () => {
      pendingEchoes.delete(timer);
      const { id: mid, text, toId, at } = message;
      const event = { kind: 'echo', ig_user_id: igUserId, from: { id: toId }, mid, text, timestamp_ms: at } as const;
      const { status, body } = await fire(event);
      if (status !== 200) logger?.warn({ status, body, mid }, 'an echo was not taken');
    }, settings.current.echo_delay_ms);
    timer.unref();
    pendingEchoes.add(timer);
  }

  async function fire(given: FireInput): Promise<Fired> {
    const input = FireInput.parse(given);
    if (input.kind === 'raw') {
      const body = typeof input.payload === 'string' ? input.payload : writeAsMeta(input.payload);
      const answer = await postWebhook(settings.current, body, input.signature);
      return { ...answer, payload: input.payload, comment_id: null, mid: null };
    }
    const { signature, ...asked } = input;
    const event: AnnouncedEvent = {
      ...asked,
      text: textOf(asked),
      comment_id: input.comment_id ?? ids.comment(),
      mid: input.mid ?? ids.mid(input.ig_user_id, input.from.id),
      timestamp_ms: input.timestamp_ms ?? Date.now(),
    };
    remember(event);
    const payload = webhookPayload(event);
    const answer = await postWebhook(settings.current, writeAsMeta(payload), signature);
    const { comment_id, mid } = event;
    return { ...answer, payload, ...(isComment(event) ? { comment_id, mid: null } : { comment_id: null, mid }) };
  }

  function remember(event: AnnouncedEvent): void {
    const { kind, from } = event;
    threads.meet(from);
    if (isComment(event)) threads.addComment(event.comment_id, from);
    if (kind === 'message')
      threads.addMessage(event.ig_user_id, from.id, {
        id: event.mid,
        text: event.text ?? '',
        fromId: from.id,
        toId: event.ig_user_id,
        at: event.timestamp_ms,
      });
  }

  return {
    sends,
    faults,
    subscriptions,
    settings,
    fire,
    graph: createGraphHandler({
      sends,
      faults,
      threads,
      subscriptions,
      ids,
      settings: () => settings.current,
      onDelivered: echo,
      logger,
    }),
    clear() {
      sends.clear();
      faults.clear();
      threads.clear();
      subscriptions.clear();
    },
    stop() {
      for (const timer of pendingEchoes) clearTimeout(timer);
      pendingEchoes.clear();
    },
  };
}
