/** Puts a planned answer on the wire: at once, or as late, slowly or incompletely as a fault wants it. */
import type { ServerResponse } from 'node:http';
import type { Fault } from '../faults.ts';
import { waitUnlessGone } from '../wait.ts';
import type { Reply } from './reply.ts';

const slowMs = 1_000;
const dripBytes = 1;
const dripIntervalMs = 50;

/** How long to wait before anything is said, for a sandbox whose every answer takes `baseMs`. */
export function delayOf(fault: Fault | undefined, baseMs: number): number {
  return baseMs + (fault?.delay_ms ?? (fault?.kind === 'slow' ? slowMs : 0));
}

/** Writes `reply` as `fault` wants it; stops without a word where the client leaves, and writes nothing for a hang. */
export async function deliver(response: ServerResponse, reply: Reply, fault: Fault | undefined): Promise<void> {
  if (response.destroyed || fault?.kind === 'hang') return;
  if (fault === undefined) {
    response.writeHead(reply.status, { ...reply.headers, 'content-length': Buffer.byteLength(reply.body) });
    response.end(reply.body);
  } else if (fault.kind === 'reset' && fault.after_headers !== true) {
    response.socket?.resetAndDestroy();
  } else {
    await deliverInParts(response, reply, fault);
  }
}

async function deliverInParts(response: ServerResponse, reply: Reply, fault: Fault): Promise<void> {
  const body = Buffer.from(reply.body);
  response.writeHead(reply.status, { ...reply.headers, 'content-length': body.length });
  if (fault.first_byte_delay_ms !== undefined) {
    response.flushHeaders();
    await waitUnlessGone(response, fault.first_byte_delay_ms);
  }
  if (response.destroyed) return;
  if (fault.kind === 'reset') {
    // Only once it was handed over: a destroyed socket drops what it still holds.
    await new Promise((resolve) => response.write(body.subarray(0, body.length / 2), resolve));
    response.socket?.destroy();
  } else if (fault.kind === 'drip') {
    await drip(response, body, fault);
    response.end();
  } else {
    response.end(body);
  }
}

async function drip(response: ServerResponse, body: Buffer, fault: Fault): Promise<void> {
  const bytes = fault.drip_bytes ?? dripBytes;
  for (let start = 0; start < body.length && !response.destroyed; start += bytes) {
    if (start > 0) await waitUnlessGone(response, fault.drip_interval_ms ?? dripIntervalMs);
    if (!response.destroyed) response.write(body.subarray(start, start + bytes));
  }
}
