/** `POST /graph/{ig id}/messages`: checks a message as Meta does, delivers it, and says what to answer. */
import { z } from 'zod';
import { errorOf, isDelivered } from './faults.ts';
import type { GraphPlan, GraphRequest, GraphServices } from './graph-call.ts';
import { type GraphError, graphErrors } from './graph-errors.ts';

const maxTextBytes = 1_000;
const id = z.string().regex(/^\d{1,40}$/);

const SendBody = z.object({
  recipient: z.union([z.strictObject({ id }), z.strictObject({ comment_id: id })]),
  message: z.strictObject({ text: z.string().min(1) }),
});
type SendBody = z.output<typeof SendBody>;

/** Writes the send into the record, delivers its message unless that is wrong or a fault is in the way. */
export function planSend(services: GraphServices, { igUserId, token, body }: GraphRequest): GraphPlan {
  const { data: send, error: unfit } = SendBody.safeParse(body);
  const text = send?.message.text ?? null;
  const entry = services.sends.open({
    ig_user_id: igUserId,
    recipient: send?.recipient ?? null,
    text,
    token_hint: token?.slice(-4) ?? null,
  });
  const refuse = (error: GraphError, detail?: string): GraphPlan => {
    entry.error = { code: error.code, subcode: error.subcode ?? null };
    return { answer: { error, detail }, entry };
  };
  if (token === undefined) return refuse(graphErrors.token_missing);
  if (unfit) return refuse(graphErrors.shape_unknown, unfit.issues[0]?.path.join('.') || 'body');
  if (Buffer.byteLength(send.message.text) > maxTextBytes)
    return refuse(graphErrors.text_too_long, `message[text] is longer than ${maxTextBytes} bytes`);
  const { recipient } = send;
  if ('comment_id' in recipient && services.threads.isAnswered(recipient.comment_id))
    return refuse(graphErrors.comment_answered);

  const address = 'id' in recipient ? recipient.id : recipient.comment_id;
  const fault = services.faults.pick({ call: 'send', igUserId, recipient: address, text });
  entry.fault = fault?.kind ?? null;
  const sent = isDelivered(fault) ? deliver(services, igUserId, send) : undefined;
  if (sent) Object.assign(entry, { delivered: true, message_id: sent.message_id });
  const error = errorOf(fault);
  // Undelivered without an error: the fault leaves nothing of the answer to read.
  return error ? { ...refuse(error.error), fault } : { answer: { body: sent ?? {} }, fault, entry };
}

function deliver({ threads, onDelivered }: GraphServices, fromId: string, { recipient, message }: SendBody) {
  const toId = 'id' in recipient ? recipient.id : threads.commenterOf(recipient.comment_id);
  if ('comment_id' in recipient) threads.markAnswered(recipient.comment_id);
  const sent = { id: threads.newMessageId(fromId, toId), text: message.text, fromId, toId, at: Date.now() };
  threads.addMessage(sent);
  onDelivered(fromId, sent);
  return { recipient_id: toId, message_id: sent.id };
}
