/** How the Graph API is told to misbehave: an error of any class, or an answer that leaves open whether it was sent. */
import { z } from 'zod';
import { createFaultRuleBook, type FaultRuleBook, turnFields } from '../fault-rules.ts';
import { type GraphError, statusOfCode } from './graph-errors.ts';

const graphCalls = ['send', 'refresh', 'account', 'conversations', 'subscribed_apps'] as const;
export type GraphCall = (typeof graphCalls)[number];

const silences = ['hang', 'hang_before_delivery', 'hang_after_delivery', 'reset', 'reset_after_delivery'] as const;

/** Before delivery unless its name or `delivered` says otherwise. */
export const GraphFaultRule = z.strictObject({
  kind: z.enum(['error', 'server_error', 'slow', 'html', 'invalid_json', ...silences]),
  /** Whether the message reached its recipient although the answer doesn't say so: an `error` can lie, too. */
  delivered: z.boolean().optional(),
  /** Any kind: wait before the answer, after a delivery. `slow` without it waits a second. */
  delay_ms: z.number().min(0).max(600_000).optional(),
  /** `error`: HTTP status (default: 500 for codes 1 and 2, else 400). `server_error`, `html`: default 500 and 502. */
  status: z.int().min(400).max(599).optional(),
  /** `error`: Meta's code (default 100), subcode, message (default: one in the language of the settings), and header. */
  code: z.int().optional(),
  subcode: z.int().optional(),
  message: z.string().max(1_000).optional(),
  is_transient: z.boolean().optional(),
  retry_after_s: z.number().min(0).optional(),
  match: z
    .strictObject({
      ig_user_id: z.string().optional(),
      /** The id of a person or of a comment. */
      recipient: z.string().optional(),
      text: z.string().optional(),
      /** Default `send`. */
      call: z.enum(graphCalls).optional(),
    })
    .optional(),
  ...turnFields,
});
export type GraphFault = z.output<typeof GraphFaultRule>;

export type GraphSubject = { call: GraphCall; igUserId: string | null; recipient: string | null; text: string | null };

export type GraphFaults = FaultRuleBook<GraphFault, GraphSubject>;

export function createGraphFaults(): GraphFaults {
  return createFaultRuleBook(({ match }, subject) => {
    if ((match?.call ?? 'send') !== subject.call) return false;
    if (match?.ig_user_id !== undefined && match.ig_user_id !== subject.igUserId) return false;
    if (match?.recipient !== undefined && match.recipient !== subject.recipient) return false;
    return match?.text === undefined || subject.text?.includes(match.text) === true;
  });
}

export function isDelivered(fault: GraphFault | undefined): boolean {
  if (fault === undefined || fault.kind === 'slow') return true;
  if (fault.delivered !== undefined) return fault.delivered;
  return ['hang_after_delivery', 'reset_after_delivery', 'invalid_json'].includes(fault.kind);
}

export function errorOf(fault: GraphFault | undefined): { error: GraphError } | undefined {
  if (fault?.kind !== 'error' && fault?.kind !== 'server_error') return undefined;
  const { kind, code = kind === 'error' ? 100 : 2, status, is_transient } = fault;
  if (kind === 'error') return { error: { ...fault, code, status: status ?? statusOfCode(code) } };
  return { error: { ...fault, code, status: status ?? 500, is_transient: is_transient ?? true } };
}
