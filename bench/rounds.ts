/** Runs rounds of two sides alternately (A B A B), so that other load on the machine affects both. */
import { type Spread, spreadOf } from './statistics.ts';

export type Sides<T> = { tally: T; bare: T };
type Figures = Record<string, number>;

/** For each figure, both sides' spread over the rounds and the spread of their ratio per round. */
export type Comparison<Name extends string> = Record<Name, Sides<Spread> & { ratio: Spread }>;

/** Runs `rounds` of each side; each returns its figures. */
export async function alternate<F extends Figures>(
  what: string,
  rounds: number,
  sides: Sides<() => Promise<F>>,
): Promise<Comparison<keyof F & string>> {
  const done: Sides<F>[] = [];
  for (let round = 1; round <= rounds; round++) {
    const tally = await sides.tally();
    const bare = await sides.bare();
    done.push({ tally, bare });
    say(`${what}: round ${round} of ${rounds}, Tally ${show(tally)}; bare ${show(bare)}`);
  }
  const names = Object.keys(done[0]?.tally ?? {}) as (keyof F & string)[];
  return Object.fromEntries(
    names.map((name) => {
      const of = (value: (round: Sides<F>) => number) => spreadOf(done.map(value));
      const ratio = of(({ tally, bare }) => (tally[name] as number) / (bare[name] as number));
      return [name, { tally: of((r) => r.tally[name] as number), bare: of((r) => r.bare[name] as number), ratio }];
    }),
  ) as Comparison<keyof F & string>;
}

const show = (figures: Figures): string =>
  Object.entries(figures)
    .map(([name, value]) => `${name} ${value.toPrecision(3)}`)
    .join(', ');

const startedAt = performance.now();

/** Writes progress to standard error, because standard output is for the table. */
export function say(line: string): void {
  process.stderr.write(`[${((performance.now() - startedAt) / 1_000).toFixed(0).padStart(3)} s] ${line}\n`);
}
