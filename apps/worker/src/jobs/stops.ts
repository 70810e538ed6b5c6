/** The ways in which an attempt ends that are not the task's own error. */

/** Tokens exist, but running jobs hold them: the attempt is given back. */
export class TokensHeld extends Error {
  override name = 'TokensHeld';
}

/** The job has to wait for something that is not the model's doing; its attempt is given back. */
export class Snoozed extends Error {
  override name = 'Snoozed';
  readonly delayMs: number;

  constructor(delayMs: number) {
    super(`snoozed for ${delayMs} ms`);
    this.delayMs = delayMs;
  }
}

/** The model's provider takes no call now: the attempt is given back. */
export class ProviderBusy extends Error {
  override name = 'ProviderBusy';
  readonly delayMs: number;
  /** True where it answers nothing at all, rather than so many calls a second. */
  readonly isBlocked: boolean;

  constructor(wait: { why: 'paced' | 'blocked'; delayMs: number }) {
    super(`the provider is ${wait.why}`);
    this.delayMs = Math.ceil(wait.delayMs);
    this.isBlocked = wait.why === 'blocked';
  }
}

/** Another worker has claimed the job since: this attempt must not write anything any more. */
export class LeaseLost extends Error {
  override name = 'LeaseLost';
}

/** Somebody cancelled the job: it ends, and pays for what it used. */
export class Cancelled extends Error {
  override name = 'Cancelled';
}

/** The process is shutting down: the job is handed back. */
export class ShuttingDown extends Error {
  override name = 'ShuttingDown';
}
