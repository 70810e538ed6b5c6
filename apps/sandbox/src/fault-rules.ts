/** Rules that hand out faults: which one a request gets, for how many turns and how likely. */
import { z } from 'zod';

/** When a rule applies (default always): fields of every rule. */
export const turnFields = {
  /** At most so often. */
  times: z.int().min(1).optional(),
  /** With this probability. */
  probability: z.number().min(0).max(1).optional(),
  /** Makes the draws of `probability` the same in every run. */
  seed: z.int().optional(),
  /** Only to what exceeds so many matching requests a second. */
  allow_per_second: z.int().min(0).optional(),
};
type Turns = {
  times?: number | undefined;
  probability?: number | undefined;
  seed?: number | undefined;
  allow_per_second?: number | undefined;
};

export type FaultRuleBook<Rule extends Turns, Subject> = {
  /** Puts these rules in the place of all earlier ones. */
  set: (rules: readonly Rule[]) => void;
  clear: () => void;
  /** The rules in their order, with how often each was used. */
  list: () => (Rule & { used: number })[];
  /** The first rule that matches and still has a turn; takes that turn. */
  pick: (subject: Subject) => Rule | undefined;
};

type LiveRule<Rule> = { rule: Rule; used: number; draw: () => number; isAllowed: () => boolean };

/** A rule book that starts empty; `matches` says whether a rule concerns a subject. */
export function createFaultRuleBook<Rule extends Turns, Subject>(
  matches: (rule: Rule, subject: Subject) => boolean,
): FaultRuleBook<Rule, Subject> {
  let live: LiveRule<Rule>[] = [];

  function hasTurn({ rule, used, draw, isAllowed }: LiveRule<Rule>, subject: Subject): boolean {
    if (rule.times !== undefined && used >= rule.times) return false;
    if (!matches(rule, subject)) return false;
    if (rule.probability !== undefined && draw() >= rule.probability) return false;
    return !isAllowed();
  }

  return {
    set(rules) {
      live = rules.map((rule) => ({
        rule,
        used: 0,
        draw: rule.seed === undefined ? Math.random : seeded(rule.seed),
        isAllowed: perSecond(rule.allow_per_second ?? 0),
      }));
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

/** True at most `most` times within any second. */
function perSecond(most: number): () => boolean {
  let allowedAt: number[] = [];
  return () => {
    const now = performance.now();
    allowedAt = allowedAt.filter((at) => now - at < 1_000);
    if (allowedAt.length >= most) return false;
    allowedAt.push(now);
    return true;
  };
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
