/** What a JSON body may be before any schema sees it: well-formed, shallow, and storable in Postgres. */
import { TallyError } from '@tally/core';
import type { MiddlewareHandler } from 'hono';
import { limits } from '../limits.ts';
import type { ApiEnv } from '../services.ts';

const withBody = new Set(['POST', 'PUT', 'PATCH']);
// Acts that say all in their address.
const withoutBody =
  /^\/api\/(?:accounts\/confirmation|(?:admin\/)?(?:jobs|chat\/conversations)\/[^/]+\/(?:pause|resume|requeue|retry))\/?$/;
// What the routes' own check takes (@hono/zod-openapi); what it doesn't would answer in another shape there.
const jsonType = /^application\/([a-z.-]+\+)?json(;\s*[a-zA-Z0-9-]+=[^;]+)*$/i;

/** Refuses bodies over a limit, and counts bytes where no length was announced. */
export function limitBody(maxBytes: number): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const announced = c.req.header('content-length');
    // Hono's own limit begins to read and stops, which holds the rest up and ends the connection under the next request.
    if (Number(announced) > maxBytes) throw tooLarge(maxBytes);
    if (withBody.has(c.req.method) && announced === undefined && c.req.raw.body !== null)
      c.req.raw = new Request(c.req.raw, { body: await readBytes(c.req.raw, maxBytes) });
    await next();
  };
}

/**
 * The body as it was received. `onPart` hears of each part as it comes; an aborted `signal` lets go of the rest.
 * @throws TallyError `payload_too_large` as soon as it is known to be; what `onPart` throws; the signal's reason
 */
export async function readBytes(
  request: Request,
  maxBytes: number,
  { signal, onPart }: { signal?: AbortSignal; onPart?: (bytes: number) => void } = {},
): Promise<Buffer<ArrayBuffer>> {
  if (Number(request.headers.get('content-length')) > maxBytes) throw tooLarge(maxBytes);
  const reader = request.body?.getReader();
  if (reader === undefined) return Buffer.alloc(0);
  const letGo = () => void reader.cancel().catch(() => undefined);
  signal?.addEventListener('abort', letGo, { once: true });
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal?.throwIfAborted();
      if (done) return Buffer.concat(parts);
      bytes += value.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      onPart?.(value.length);
      parts.push(value);
    }
  } catch (error) {
    letGo();
    throw error;
  } finally {
    signal?.removeEventListener('abort', letGo);
  }
}

const tooLarge = (maxBytes: number) =>
  new TallyError('payload_too_large', `The request body is larger than ${maxBytes} bytes`);

/** Refuses JSON that is malformed or nested too deeply, and text that Postgres can't store. */
export const readableJson: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if (withBody.has(c.req.method) && !withoutBody.test(c.req.path)) {
    if (!jsonType.test(c.req.header('content-type') ?? ''))
      throw new TallyError('invalid_input', 'Send JSON with the header Content-Type: application/json');
    let body: unknown;
    try {
      body = await c.req.json();
    } catch {
      throw new TallyError('invalid_input', 'The request body is not valid JSON');
    }
    checkJson(body, 0);
  }
  await next();
};

function checkJson(value: unknown, depth: number): void {
  if (typeof value === 'string') checkText(value);
  if (typeof value !== 'object' || value === null) return;
  if (depth > limits.maxJsonDepth) throw new TallyError('invalid_input', 'The request body is nested too deeply');
  for (const [key, item] of Object.entries(value)) {
    checkText(key);
    checkJson(item, depth + 1);
  }
}

function checkText(text: string): void {
  if (text.includes('\0') || !text.isWellFormed())
    throw new TallyError('invalid_input', 'The request body holds a NUL character or half a surrogate pair');
}
