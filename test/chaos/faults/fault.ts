/** The type of a fault: how it is injected, and how recovery from it is measured. */
import type { Random } from '../random.ts';
import type { World } from '../world.ts';

export type Effect = {
  /** Start of the recovery measurement: the end of the effect, or the time of the kill. */
  overAt: number;
  /** Replaces the default criterion: a new job is answered and no earlier job hangs. */
  isRecovered?: () => Promise<boolean>;
  /** Runs after recovery has been measured. */
  after?: () => Promise<void>;
};

export type Fault = {
  name: string;
  /** `inside`: processes, Redis and Postgres, one at a time. `outside`: the model and Instagram, concurrently. */
  lane: 'inside' | 'outside';
  /** The maximum recovery time. */
  limitMs: number;
  /** True where no fault of the other lane may run at the same time, since it would distort the measurement. */
  isExclusive?: boolean;
  /** Injects the fault; resolves once its effect is over. */
  inject(world: World, random: Random): Promise<Effect>;
};
