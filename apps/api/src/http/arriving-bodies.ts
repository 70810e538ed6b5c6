/** Bodies whose senders are known only once they are whole: together they hold so many bytes, and who dawdles makes room. */
import { TallyError } from '@tally/core';
import { readBytes } from './json-body.ts';

export type ArrivingBodies = {
  /** @throws TallyError `payload_too_large`; `unavailable` where all the room is taken */
  read(request: Request, maxBytes: number): Promise<Buffer<ArrayBuffer>>;
};

type Arrival = { since: number; bytes: number; stop: AbortController };

/**
 * Builds the room for them. Bytes are counted as they come: announcing a large body, or sending none of it, takes no room
 * from anybody. Where it runs out, the body that has taken longest is dropped, if that is longer than `graceMs`.
 */
export function createArrivingBodies({ heldBytes, graceMs }: { heldBytes: number; graceMs: number }): ArrivingBodies {
  /** The longest on its way first. */
  const arriving = new Set<Arrival>();
  let held = 0;

  function leave(arrival: Arrival): void {
    if (arriving.delete(arrival)) held -= arrival.bytes;
  }

  function makeRoomFor(newcomer: Arrival): void {
    while (held > heldBytes) {
      const [slowest] = arriving;
      if (slowest === undefined || slowest === newcomer || performance.now() - slowest.since < graceMs) throw noRoom();
      leave(slowest);
      slowest.stop.abort(noRoom());
    }
  }

  return {
    async read(request, maxBytes) {
      const arrival: Arrival = { since: performance.now(), bytes: 0, stop: new AbortController() };
      arriving.add(arrival);
      const onPart = (bytes: number) => {
        arrival.bytes += bytes;
        held += bytes;
        makeRoomFor(arrival);
      };
      try {
        return await readBytes(request, maxBytes, { signal: arrival.stop.signal, onPart });
      } finally {
        leave(arrival);
      }
    },
  };
}

const noRoom = () => new TallyError('unavailable', 'Too much is arriving at once', { retryAfterMs: 1_000 });
