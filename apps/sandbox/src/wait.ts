/** Waits on behalf of a client that may leave meanwhile. */
import type { ServerResponse } from 'node:http';

/** Resolves after `ms`, or as soon as the client has left. */
export function waitUnlessGone(response: ServerResponse, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      response.off('close', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    response.once('close', done);
    if (response.destroyed) done();
  });
}
