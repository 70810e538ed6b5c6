/** What a fault is: one way in which something breaks, and what recovering from it means. */
import type { Random } from '../random.ts';
import type { World } from '../world.ts';

export type Effect = {
  /** From when recovery is measured: the end of the effect, or the kill. */
  overAt: number;
  /** Where recovery means something else than that a new job is answered and no old one hangs. */
  isRecovered?: () => Promise<boolean>;
  /** Runs once recovery was measured. */
  after?: () => Promise<void>;
};

export type Fault = {
  name: string;
  /** `inside`: processes, Redis and Postgres, one at a time. `outside`: the model and Instagram, beside those. */
  lane: 'inside' | 'outside';
  /** The longest that recovery may take. */
  limitMs: number;
  /** True where nothing of the other lane may be broken at the same time, for the limit's sake. */
  isAlone?: boolean;
  /** Makes it happen; resolves once its effect is over. */
  inject(world: World, random: Random): Promise<Effect>;
};
