/** What Postgres and Redis have in common: one process at a time, which may be ended and started again. */
import type { EndStep, Guarded } from './guarded.ts';

export type Service = {
  /** Of the process that runs now, or that ran last. */
  readonly pid: number;
  isRunning(): boolean;
  /** Does nothing while it runs. */
  start(): Promise<void>;
  /** Does nothing while it does not run. */
  end(steps?: EndStep[]): Promise<void>;
};

/**
 * Starts a service. `launch` resolves once it answers.
 * @param onDeath told how it ended whenever nobody here asked for that
 */
export async function startService(
  launch: () => Promise<Guarded>,
  onDeath: ((how: string) => void) | undefined,
): Promise<Service> {
  let asked = false;
  let current = await watched();

  async function watched(): Promise<Guarded> {
    const guarded = await launch();
    asked = false;
    void guarded.exited.then((how) => {
      if (!asked) onDeath?.(how);
    });
    return guarded;
  }

  return {
    get pid() {
      return current.pid;
    },
    isRunning: () => current.isRunning(),
    async start() {
      if (!current.isRunning()) current = await watched();
    },
    async end(steps) {
      asked = true;
      await current.end(steps);
    },
  };
}
