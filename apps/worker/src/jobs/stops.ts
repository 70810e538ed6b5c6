/** The reasons for which an attempt ends other than an error of its task. */

/** The account has tokens, but running jobs hold them: the attempt is snoozed. */
export class TokensHeld extends Error {
  override name = 'TokensHeld';
}

/** The job has to wait for something other than the model: the attempt is snoozed. */
export class Snoozed extends Error {
  override name = 'Snoozed';
  readonly delayMs: number;

  constructor(delayMs: number) {
    super(`snoozed for ${delayMs} ms`);
    this.delayMs = delayMs;
  }
}

/** The model's provider accepts no call now: the attempt is snoozed. */
export class ProviderBusy extends Error {
  override name = 'ProviderBusy';
  readonly delayMs: number;
  /** True if the provider answers no calls at all, false if it limits their rate. */
  readonly isBlocked: boolean;

  constructor(wait: { why: 'paced' | 'blocked'; delayMs: number }) {
    super(`the provider is ${wait.why}`);
    this.delayMs = Math.ceil(wait.delayMs);
    this.isBlocked = wait.why === 'blocked';
  }
}

/** Another worker has claimed the job: this attempt must not write any more. */
export class LeaseLost extends Error {
  override name = 'LeaseLost';
}

/** The job was cancelled: it ends, and pays for what it used. */
export class Cancelled extends Error {
  override name = 'Cancelled';
}

/** The process is shutting down: the attempt is snoozed. */
export class ShuttingDown extends Error {
  override name = 'ShuttingDown';
}
