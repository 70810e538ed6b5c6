/** A seeded random number generator, so that a run can be repeated. */
import { createHash } from 'node:crypto';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

export type Random = {
  /** A uniform integer, both ends included. */
  int(from: number, to: number): number;
  /** True with probability `p`. */
  chance(p: number): boolean;
  pick<T>(items: readonly T[]): T;
  shuffle<T>(items: readonly T[]): T[];
  /** An independent generator: a client's draws don't depend on how often another one draws. */
  fork(name: string): Random;
};

const resolution = 1_000_000;

/** The same seed and name give the same numbers. */
export function createRandom(seed: number, name = ''): Random {
  const state = createHash('sha256').update(`${seed} ${name}`).digest().readInt32LE();
  const generator = xoroshiro128plus(state);
  const int = (from: number, to: number): number => uniformInt(generator, from, to);
  return {
    int,
    chance: (p) => int(1, resolution) <= p * resolution,
    pick<T>(items: readonly T[]): T {
      if (items.length === 0) throw new Error('nothing to pick from');
      return items[int(0, items.length - 1)] as T;
    },
    shuffle<T>(items: readonly T[]): T[] {
      return items
        .map((item) => ({ item, key: int(1, resolution) }))
        .sort((a, b) => a.key - b.key)
        .map(({ item }) => item);
    },
    fork: (of) => createRandom(seed, `${name}/${of}`),
  };
}
