/** Manages a service's process, which can be ended and started again; shared by Postgres and Redis. */
import type { EndStep, Guarded } from './guarded.ts';

export type Service = {
  /** The id of the current or last process. */
  readonly pid: number;
  isRunning(): boolean;
  /** Does nothing if it is running. */
  start(): Promise<void>;
  /** Does nothing if it is not running. */
  end(steps?: EndStep[]): Promise<void>;
};

/**
 * Starts a service. `launch` resolves once it is ready.
 * @param onDeath called with how the process ended, unless `end` was called
 */
export async function startService(
  launch: () => Promise<Guarded>,
  onDeath: ((how: string) => void) | undefined,
): Promise<Service> {
  let isEnding = false;
  let current = await launchWatched();

  async function launchWatched(): Promise<Guarded> {
    const guarded = await launch();
    isEnding = false;
    void guarded.exited.then((how) => {
      if (!isEnding) onDeath?.(how);
    });
    return guarded;
  }

  return {
    get pid() {
      return current.pid;
    },
    isRunning: () => current.isRunning(),
    async start() {
      if (!current.isRunning()) current = await launchWatched();
    },
    async end(steps) {
      isEnding = true;
      await current.end(steps);
    },
  };
}
