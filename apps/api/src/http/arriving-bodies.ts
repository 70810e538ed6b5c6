/** Bounds the memory of request bodies in flight that can be authenticated only when complete (signed webhooks). */
import { TallyError } from '@tally/core';
import { readBytes } from './json-body.ts';

export type ArrivingBodies = {
  /** @throws TallyError `payload_too_large`; `unavailable` where the shared memory is used up */
  read(request: Request, maxBytes: number): Promise<Buffer<ArrayBuffer>>;
};

type Arrival = { since: number; bytes: number; stop: AbortController };

/**
 * Counts bytes as they arrive: a large Content-Length, or a body that is never sent, reserves nothing. Above
 * `maxHeldBytes` in total, the oldest body is dropped if it is older than `graceMs`, otherwise the newcomer is refused.
 */
export function createArrivingBodies({
  maxHeldBytes,
  graceMs,
}: {
  maxHeldBytes: number;
  graceMs: number;
}): ArrivingBodies {
  /** Oldest first. */
  const arriving = new Set<Arrival>();
  let held = 0;

  function release(arrival: Arrival): void {
    if (arriving.delete(arrival)) held -= arrival.bytes;
  }

  function evictFor(newcomer: Arrival): void {
    while (held > maxHeldBytes) {
      const [slowest] = arriving;
      if (slowest === undefined || slowest === newcomer || performance.now() - slowest.since < graceMs)
        throw memoryUsedUp();
      release(slowest);
      slowest.stop.abort(memoryUsedUp());
    }
  }

  return {
    async read(request, maxBytes) {
      const arrival: Arrival = { since: performance.now(), bytes: 0, stop: new AbortController() };
      arriving.add(arrival);
      const onPart = (bytes: number) => {
        arrival.bytes += bytes;
        held += bytes;
        evictFor(arrival);
      };
      try {
        return await readBytes(request, maxBytes, { signal: arrival.stop.signal, onPart });
      } finally {
        release(arrival);
      }
    },
  };
}

const memoryUsedUp = () => new TallyError('unavailable', 'Too much is arriving at once', { retryAfterMs: 1_000 });
