/** The ways in which an attempt ends that are not the task's own error. */

/** Tokens exist, but running jobs hold them: the attempt is given back. */
export class TokensHeld extends Error {
  override name = 'TokensHeld';
}

/** The job has to wait for something that is not the model's doing; its attempt is given back. */
export class Postponed extends Error {
  override name = 'Postponed';
  readonly delayMs: number;

  constructor(delayMs: number) {
    super(`postponed by ${delayMs} ms`);
    this.delayMs = delayMs;
  }
}

/** Another worker has claimed the job since: this attempt must not write anything any more. */
export class FencedOut extends Error {
  override name = 'FencedOut';
}

/** Somebody cancelled the job: it ends, and pays for what it used. */
export class Cancelled extends Error {
  override name = 'Cancelled';
}

/** The process is shutting down: the job is handed back. */
export class ShuttingDown extends Error {
  override name = 'ShuttingDown';
}
