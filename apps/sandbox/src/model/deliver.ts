/** Puts a planned answer on the wire: at once, or as late, slowly or incompletely as a fault wants it. */
import type { HttpBindings } from '@hono/node-server';
import type { Fault } from '../faults.ts';
import { waitUnlessGone } from '../http.ts';
import type { Reply } from './reply.ts';

type Response = HttpBindings['outgoing'];

const dripBytes = 1;
const dripIntervalMs = 50;

/** Writes `reply` as `fault` wants it; stops without a word where the client leaves, and writes nothing for a hang. */
export async function deliver(response: Response, reply: Reply, fault: Fault | undefined): Promise<void> {
  if (response.destroyed || fault?.kind === 'hang') return;
  if (fault?.kind === 'reset' && fault.after_headers !== true) {
    response.socket?.resetAndDestroy();
    return;
  }
  const body = Buffer.from(reply.body);
  response.writeHead(reply.status, { ...reply.headers, 'content-length': body.length });
  if (fault?.first_byte_delay_ms !== undefined) {
    response.flushHeaders();
    await waitUnlessGone(response, fault.first_byte_delay_ms);
  }
  if (fault?.kind === 'reset') {
    // Only once it was handed over: a destroyed socket drops what it still holds.
    await new Promise((resolve) => response.write(body.subarray(0, body.length / 2), resolve));
    response.socket?.destroy();
    return;
  }
  const bytes = fault?.kind === 'drip' ? (fault.drip_bytes ?? dripBytes) : body.length;
  let start = 0;
  for (; start + bytes < body.length && !response.destroyed; start += bytes) {
    response.write(body.subarray(start, start + bytes));
    await waitUnlessGone(response, fault?.drip_interval_ms ?? dripIntervalMs);
  }
  if (!response.destroyed) response.end(body.subarray(start));
}
