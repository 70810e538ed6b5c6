/** A client for the parts of Meta's Graph API that Tally uses: one request per call, without retries. */
import { readBounded } from '@tally/core';
import { z } from 'zod';
import { retryAfterMs } from '../model/retry-after.ts';
import { classifyAnswer, type SendFault } from './graph-errors.ts';

export type Outgoing = {
  igUserId: string;
  accessToken: string;
  recipient: { kind: 'comment' | 'person'; id: string };
  text: string;
};

export type SendResult =
  | { outcome: 'sent'; messageId: string; personId: string | undefined }
  /** Refused, or with unknown outcome; `detail` is Meta's code and subcode. */
  | { outcome: SendFault; detail: string; retryAfterMs: number | undefined }
  /** No connection was made, so the request was not sent. */
  | { outcome: 'unreachable'; detail: string; retryAfterMs: undefined };

export type RefreshResult =
  | { outcome: 'refreshed'; accessToken: string; expiresInSeconds: number }
  | { outcome: 'needs_login'; detail: string }
  | { outcome: 'later'; detail: string };

export type GraphClient = {
  send(message: Outgoing): Promise<SendResult>;
  /** Ids of the messages with this text that the account sent to a person since then, oldest first; empty on error. */
  findSent(
    account: { igUserId: string; accessToken: string },
    sent: { personId: string; text: string; since: Date },
  ): Promise<string[]>;
  refreshToken(accessToken: string): Promise<RefreshResult>;
};

const timeoutMs = 15_000;
const maxAnswerBytes = 256 * 1_024;

const Sent = z.object({ message_id: z.string().min(1), recipient_id: z.string().optional() });
const Failed = z.object({
  error: z.object({ code: z.number().optional(), error_subcode: z.number().optional() }),
});
const Refreshed = z.object({ access_token: z.string().min(1), expires_in: z.number().positive() });
const Conversations = z.object({
  data: z.array(
    z.object({
      messages: z.object({
        data: z.array(
          z.object({
            id: z.string(),
            message: z.string().optional(),
            from: z.object({ id: z.string() }).optional(),
            created_time: z.string(),
          }),
        ),
      }),
    }),
  ),
});

type Answer = { status: number; body: unknown; retryAfterMs: number | undefined };

/** A client for `baseUrl`, as `https://graph.instagram.com/v26.0`. */
export function createGraphClient(options: { baseUrl: string; fetch?: typeof fetch }): GraphClient {
  const call = options.fetch ?? fetch;
  const base = options.baseUrl.replace(/\/+$/, '');

  async function request(path: string, init: RequestInit): Promise<Answer> {
    const response = await call(`${base}${path}`, {
      ...init,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await readBounded(response, maxAnswerBytes);
    return { status: response.status, body: readJson(text), retryAfterMs: retryAfterMs(response.headers, Date.now()) };
  }

  return {
    async send({ igUserId, accessToken, recipient, text }) {
      const to = recipient.kind === 'comment' ? { comment_id: recipient.id } : { id: recipient.id };
      try {
        const answer = await request(`/${igUserId}/messages`, {
          method: 'POST',
          headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
          body: JSON.stringify({ recipient: to, message: { text } }),
        });
        return toSendResult(answer);
      } catch (error) {
        if (isUnsentRequest(error)) return { outcome: 'unreachable', detail: 'not reached', retryAfterMs: undefined };
        return { outcome: 'uncertain', detail: 'no answer', retryAfterMs: undefined };
      }
    },

    async findSent({ igUserId, accessToken }, { personId, text, since }) {
      const query = new URLSearchParams({ user_id: personId, fields: 'messages{id,message,from,created_time}' });
      try {
        const { body } = await request(`/${igUserId}/conversations?${query}`, {
          headers: { authorization: `Bearer ${accessToken}` },
        });
        const messages = Conversations.parse(body).data.flatMap((conversation) => conversation.messages.data);
        // The same text may have been sent before `since`.
        return messages
          .filter((m) => m.message === text && m.from?.id === igUserId && Date.parse(m.created_time) >= since.getTime())
          .sort((a, b) => Date.parse(a.created_time) - Date.parse(b.created_time))
          .map(({ id }) => id);
      } catch {
        return [];
      }
    },

    async refreshToken(accessToken) {
      const query = new URLSearchParams({ grant_type: 'ig_refresh_token', access_token: accessToken });
      try {
        const { status, body } = await request(`/refresh_access_token?${query}`, { method: 'GET' });
        const refreshed = Refreshed.safeParse(body);
        if (status === 200 && refreshed.success)
          return {
            outcome: 'refreshed',
            accessToken: refreshed.data.access_token,
            expiresInSeconds: refreshed.data.expires_in,
          };
        const failure = readFailure({ status, body });
        if (classifyAnswer(failure) === 'needs_login') return { outcome: 'needs_login', detail: describe(failure) };
        return { outcome: 'later', detail: describe(failure) };
      } catch {
        return { outcome: 'later', detail: 'no answer' };
      }
    },
  };
}

function toSendResult({ status, body, retryAfterMs: waitMs }: Answer): SendResult {
  const sent = Sent.safeParse(body);
  if (status >= 200 && status < 300 && sent.success)
    return { outcome: 'sent', messageId: sent.data.message_id, personId: sent.data.recipient_id };
  const failure = readFailure({ status, body });
  return { outcome: classifyAnswer(failure), detail: describe(failure), retryAfterMs: waitMs };
}

function readFailure({ status, body }: Pick<Answer, 'status' | 'body'>) {
  const { error } = Failed.safeParse(body).data ?? { error: {} };
  return { status, code: error.code, subcode: error.error_subcode };
}

const describe = ({ status, code, subcode }: ReturnType<typeof readFailure>): string =>
  code === undefined ? `HTTP ${status}` : `${code}/${subcode ?? '-'}`;

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const neverConnected = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** True only if no connection was made, so that the server can't have read any of the request. */
function isUnsentRequest(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as { code?: unknown };
    if (typeof code === 'string' && neverConnected.has(code)) return true;
    if (cause instanceof AggregateError && cause.errors.length > 0) return cause.errors.every(isUnsentRequest);
  }
  return false;
}
