/** `POST /graph/{ig id}/messages`: checks a message as Meta does, delivers it, and says what to answer. */
import { z } from 'zod';
import { errorOf, isDelivered } from './faults.ts';
import type { GraphPlan, GraphRequest, GraphServices } from './graph-call.ts';
import { type GraphError, graphErrors } from './graph-errors.ts';
import { ownerOf } from './graph-reads.ts';
import type { SendEntry } from './sends.ts';

const maxTextBytes = 1_000;
const id = z.string().regex(/^\d{1,40}$/);

const SendBody = z.object({
  recipient: z.union([z.strictObject({ id }), z.strictObject({ comment_id: id })]),
  message: z.strictObject({ text: z.string().min(1) }),
});
type SendBody = z.output<typeof SendBody>;

type Recipient = SendEntry['recipient'];
type Refusal = { error: GraphError; detail?: string };

/** Writes the send into the record, delivers its message unless that is wrong or a fault is in the way. */
export function planSend(services: GraphServices, request: GraphRequest): GraphPlan {
  const igUserId = ownerOf(request);
  const parsed = SendBody.safeParse(parseJson(request.body));
  const recipient: Recipient = parsed.data?.recipient ?? null;
  const text = parsed.data?.message.text ?? null;
  const entry = services.sends.open({
    ig_user_id: igUserId,
    recipient,
    text,
    token_hint: request.token?.slice(-4) ?? null,
  });
  const refusal = parsed.success
    ? check(services, request, parsed.data)
    : { error: request.token ? graphErrors.shape_unknown : graphErrors.token_missing, detail: shapeOf(parsed.error) };
  if (refusal || !parsed.success) return refuse(entry, refusal ?? { error: graphErrors.shape_unknown });

  const subject = { call: 'send', igUserId, recipient: addressOf(parsed.data.recipient), text } as const;
  const fault = services.faults.pick(subject);
  entry.fault = fault?.kind ?? null;
  const sent = isDelivered(fault) ? deliver(services, igUserId, parsed.data) : undefined;
  if (sent) Object.assign(entry, { delivered: true, message_id: sent.message_id });
  const error = errorOf(fault);
  if (error) return { ...refuse(entry, error), fault };
  // Undelivered without an error: the fault leaves nothing of the answer to read.
  return { answer: { body: sent ?? {} }, fault, entry };
}

function check({ threads }: GraphServices, { token }: GraphRequest, send: SendBody): Refusal | undefined {
  if (token === undefined) return { error: graphErrors.token_missing };
  if (Buffer.byteLength(send.message.text) > maxTextBytes)
    return { error: graphErrors.text_too_long, detail: `message[text] is longer than ${maxTextBytes} bytes` };
  if ('comment_id' in send.recipient && threads.isAnswered(send.recipient.comment_id))
    return { error: graphErrors.comment_answered };
  return undefined;
}

function deliver({ threads, ids, onDelivered }: GraphServices, igUserId: string, { recipient, message }: SendBody) {
  const personId = 'id' in recipient ? recipient.id : threads.commenterOf(recipient.comment_id);
  if ('comment_id' in recipient) threads.markAnswered(recipient.comment_id);
  const sent = {
    id: ids.mid(igUserId, personId),
    text: message.text,
    fromId: igUserId,
    toId: personId,
    at: Date.now(),
  };
  threads.addMessage(igUserId, personId, sent);
  onDelivered(igUserId, sent);
  return { recipient_id: personId, message_id: sent.id };
}

function refuse(entry: SendEntry, refusal: Refusal): GraphPlan {
  entry.error = { code: refusal.error.code, subcode: refusal.error.subcode ?? null };
  return { answer: refusal, entry };
}

const addressOf = (recipient: SendBody['recipient']): string =>
  'id' in recipient ? recipient.id : recipient.comment_id;

const shapeOf = (error: z.ZodError): string => error.issues[0]?.path.join('.') || 'body';

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
