/** The misbehaviour of the model on demand, by rule or by a request's header. */
import { z } from 'zod';
import { createFaultRuleBook, type FaultRuleBook, turnFields } from './fault-rules.ts';
import { type DialectName, errorKinds } from './model/dialects/dialect.ts';
import { dialects } from './model/dialects/dialects.ts';

const milliseconds = z.number().min(0).max(3_600_000);

const deliveryKinds = ['slow', 'hang', 'drip', 'reset', 'html', 'invalid_json'] as const;
const contentKinds = [
  'content_refused',
  'refusal',
  'content_filter',
  'empty_choices',
  'wrong_schema',
  'length',
] as const;
const usageKinds = ['no_usage', 'absurd_usage', 'over_limit'] as const;

/** What goes wrong, and the knobs of the kinds that have some. Units are in the names. */
export const Fault = z.strictObject({
  kind: z.enum([...errorKinds, ...deliveryKinds, ...contentKinds, ...usageKinds]),
  /** Any kind: wait before anything is answered. `slow` without it waits a second. */
  delay_ms: milliseconds.optional(),
  /** Any kind: send the headers at once and wait before the first byte of the body. */
  first_byte_delay_ms: milliseconds.optional(),
  status: z.int().min(400).max(599).optional(),
  /** Any error: sent as `retry-after` and `retry-after-ms`. */
  retry_after_s: z.number().min(0).optional(),
  retry_after_ms: z.number().min(0).optional(),
  /** `reset`: after the headers and half of the body, rather than before any byte. */
  after_headers: z.boolean().optional(),
  usage: z.enum(['negative', 'fractional', 'huge', 'strings']).optional(),
  /** `length`: tokens that are left of the answer. `over_limit`: tokens beyond the limit. */
  tokens: z.int().min(0).max(100_000).optional(),
  /** `drip`: this many bytes at a time, this long apart. */
  drip_bytes: z.int().min(1).optional(),
  drip_interval_ms: milliseconds.optional(),
});
export type Fault = z.output<typeof Fault>;
/** A fault as it was chosen: by a header, or by a rule that may have a rate. */
export type ChosenFault = Fault & { allow_per_second?: number | undefined };

export const FaultRule = Fault.extend({
  match: z
    .strictObject({
      dialect: z.enum(dialects.map(({ name }) => name)).optional(),
      user: z.string().optional(),
      contains: z.string().optional(),
    })
    .optional(),
  ...turnFields,
});
type FaultRule = z.output<typeof FaultRule>;

/** What a rule may look at; `contains` is asked only where a rule has such a condition. */
type FaultSubject = { dialect: DialectName; user: string | null; contains: (text: string) => boolean };

export type Faults = FaultRuleBook<FaultRule, FaultSubject>;

export function createFaults(): Faults {
  return createFaultRuleBook(({ match }, subject) => {
    if (match?.dialect !== undefined && match.dialect !== subject.dialect) return false;
    if (match?.user !== undefined && match.user !== subject.user) return false;
    return match?.contains === undefined || subject.contains(match.contains);
  });
}

/** Parses `kind; key=value; …`, the header by which one request asks for a fault. @throws ZodError */
export function parseFaultHeader(header: string): Fault {
  const pairs = Array.from(new URLSearchParams(`kind=${header.replaceAll(/\s*;\s*/g, '&')}`), ([key, value]) => [
    key.replaceAll('-', '_'),
    /^(?:true|false|-?\d+(?:\.\d+)?)$/.test(value) ? JSON.parse(value) : value,
  ]);
  return Fault.parse(Object.fromEntries(pairs));
}
