/** Misbehaviour on demand: rules that say which requests get which fault, for how long and how likely. */
import { z } from 'zod';

const milliseconds = z.number().min(0).max(3_600_000);

/** What goes wrong, and the knobs of the kinds that have some. Units are in the names. */
export const Fault = z.strictObject({
  kind: z.enum([
    'slow',
    'rate_limit',
    'server_error',
    'unavailable',
    'bad_request',
    'unauthorized',
    'context_length',
    'refusal',
    'content_filter',
    'hang',
    'drip',
    'reset',
    'html',
    'invalid_json',
    'empty_choices',
    'wrong_schema',
    'no_usage',
    'absurd_usage',
    'over_limit',
    'length',
  ]),
  /** Any kind: wait before anything is answered. `slow` without it waits a second. */
  delay_ms: milliseconds.optional(),
  /** Any kind: send the headers at once and wait before the first byte of the body. */
  first_byte_delay_ms: milliseconds.optional(),
  /** `rate_limit`, `unavailable`: sent as `retry-after` and `retry-after-ms`. */
  retry_after_s: z.number().min(0).optional(),
  retry_after_ms: z.number().min(0).optional(),
  /** `reset`: after the headers and half of the body, rather than before any byte. */
  after_headers: z.boolean().optional(),
  /** `absurd_usage`. */
  usage: z.enum(['negative', 'fractional', 'huge', 'strings']).optional(),
  /** `length`: tokens that are left of the answer. `over_limit`: tokens beyond the limit. */
  tokens: z.int().min(0).max(100_000).optional(),
  /** `drip`: this many bytes at a time, this long apart. */
  drip_bytes: z.int().min(1).optional(),
  drip_interval_ms: milliseconds.optional(),
});
export type Fault = z.output<typeof Fault>;

/** A fault, the requests that get it (default all), how often (default always) and how likely (default 1). */
const FaultRule = Fault.extend({
  match: z.strictObject({ user: z.string().optional(), contains: z.string().optional() }).optional(),
  times: z.int().min(1).optional(),
  probability: z.number().min(0).max(1).optional(),
  /** Makes the draws of `probability` the same in every run. */
  seed: z.int().optional(),
});
type FaultRule = z.output<typeof FaultRule>;

export const FaultRules = z.strictObject({ rules: z.array(FaultRule).max(1_000) });

/** What a rule may look at; `contains` is asked only where a rule has such a condition. */
type FaultSubject = { user: string | null; contains: (text: string) => boolean };

export type Faults = {
  /** Puts these rules in the place of all earlier ones. */
  set: (rules: readonly FaultRule[]) => void;
  clear: () => void;
  /** The rules in their order, with how often each was used. */
  list: () => (FaultRule & { used: number })[];
  /** The fault of the first rule that matches and still has a turn, and takes that turn. */
  pick: (subject: FaultSubject) => Fault | undefined;
};

type LiveRule = { rule: FaultRule; used: number; draw: () => number };

/** A rule book that starts empty. */
export function createFaults(): Faults {
  let live: LiveRule[] = [];
  return {
    set(rules) {
      live = rules.map((rule) => ({ rule, used: 0, draw: rule.seed === undefined ? Math.random : seeded(rule.seed) }));
    },
    clear() {
      live = [];
    },
    list: () => live.map(({ rule, used }) => ({ ...rule, used })),
    pick(subject) {
      if (live.length === 0) return undefined;
      const chosen = live.find((candidate) => hasTurn(candidate, subject));
      if (chosen) chosen.used += 1;
      return chosen?.rule;
    },
  };
}

/** Parses `kind; key=value; …`, the header by which one request asks for a fault. @throws ZodError */
export function parseFaultHeader(header: string): Fault {
  const [kind, ...options] = header.split(';').map((part) => part.trim());
  const pairs = options.filter(Boolean).map((option) => {
    const [key = '', value = 'true'] = option.split('=').map((part) => part.trim());
    return [key.replaceAll('-', '_'), readValue(value)];
  });
  return Fault.parse({ ...Object.fromEntries(pairs), kind });
}

function hasTurn({ rule, used, draw }: LiveRule, subject: FaultSubject): boolean {
  if (rule.times !== undefined && used >= rule.times) return false;
  if (rule.match?.user !== undefined && rule.match.user !== subject.user) return false;
  if (rule.match?.contains !== undefined && !subject.contains(rule.match.contains)) return false;
  return rule.probability === undefined || draw() < rule.probability;
}

function readValue(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
}

/** Mulberry32: a small generator with an even spread, which is all that a fault's draw needs. */
function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
