/** Rules that hand out faults: which one a request gets, for how many turns and how likely. */
import { createHash } from 'node:crypto';
import { Hono } from 'hono';
import { z } from 'zod';

/** When a rule applies (default always): fields of every rule. */
export const turnFields = {
  times: z.int().min(1).optional(),
  probability: z.number().min(0).max(1).optional(),
  /** Makes the draws of `probability` the same in every run. */
  seed: z.int().optional(),
  /** Only to what exceeds so many matching requests a second. */
  allow_per_second: z.int().min(0).optional(),
};
const Turns = z.object(turnFields);
type Turns = z.output<typeof Turns>;

export type FaultRuleBook<Rule extends Turns, Subject> = ReturnType<typeof createFaultRuleBook<Rule, Subject>>;

/** A rule book that starts empty; `matches` says whether a rule concerns a subject. */
export function createFaultRuleBook<Rule extends Turns, Subject>(matches: (rule: Rule, subject: Subject) => boolean) {
  let live: { rule: Rule; used: number; draw: () => number; isAllowed: () => boolean }[] = [];
  return {
    set(rules: readonly Rule[]): void {
      live = rules.map((rule) => ({
        rule,
        used: 0,
        draw: rule.seed === undefined ? Math.random : seeded(rule.seed),
        isAllowed: perSecond(rule.allow_per_second ?? 0),
      }));
    },
    clear(): void {
      live = [];
    },
    list: () => live.map(({ rule, used }) => ({ ...rule, used })),
    /** The first rule that matches and still has a turn; takes that turn. */
    pick(subject: Subject): Rule | undefined {
      const chosen = live.find(({ rule, used, draw, isAllowed }) => {
        if (used >= (rule.times ?? Infinity) || !matches(rule, subject)) return false;
        return draw() < (rule.probability ?? 1) && !isAllowed();
      });
      if (chosen) chosen.used += 1;
      return chosen?.rule;
    },
  };
}

/** GET, PUT and DELETE of a rule book; `Rule` is the schema of one rule. */
export function faultRoutes<Rule extends Turns>(faults: FaultRuleBook<Rule, never>, Rule: z.ZodType<Rule>): Hono {
  const Rules = z.strictObject({ rules: z.array(Rule).max(1_000) });
  return new Hono()
    .get('/', (c) => c.json({ rules: faults.list() }))
    .put('/', async (c) => {
      faults.set(Rules.parse(await c.req.json()).rules);
      return c.json({ rules: faults.list() });
    })
    .delete('/', (c) => {
      faults.clear();
      return c.json({ rules: [] });
    });
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

/** The same draws between 0 and 1 in every run. */
function seeded(seed: number): () => number {
  let draws = 0;
  return () => createHash('sha256').update(`${seed} ${draws++}`).digest().readUInt32BE() / 2 ** 32;
}
