/** Checks of JSON bodies before any schema: size, well-formedness, depth, and text that Postgres can store. */
import { TallyError } from '@tally/core';
import type { MiddlewareHandler } from 'hono';
import { limits } from '../limits.ts';
import type { ApiEnv } from '../services.ts';

export const methodsWithBody: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);
// Actions that take no body.
const withoutBody =
  /^\/api\/(?:accounts\/confirmation|(?:admin\/)?(?:jobs|chat\/conversations)\/[^/]+\/(?:pause|resume|requeue|retry))\/?$/;
// As in @hono/zod-openapi, which would refuse other types with an error of another shape.
const jsonType = /^application\/([a-z.-]+\+)?json(;\s*[a-zA-Z0-9-]+=[^;]+)*$/i;

/** Refuses bodies over a limit; counts bytes where Content-Length is missing. */
export function limitBody(maxBytes: number): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const contentLength = c.req.header('content-length');
    // Not Hono's bodyLimit: it stops in mid-body, which stalls the rest and breaks the connection's next request.
    if (Number(contentLength) > maxBytes) throw tooLarge(maxBytes);
    if (methodsWithBody.has(c.req.method) && contentLength === undefined && c.req.raw.body !== null)
      c.req.raw = new Request(c.req.raw, { body: await readBytes(c.req.raw, maxBytes) });
    await next();
  };
}

/**
 * The raw body. `onPart` is called for each chunk as it arrives; aborting `signal` cancels the rest.
 * @throws TallyError `payload_too_large` as soon as it is known; what `onPart` throws; the signal's reason
 */
export async function readBytes(
  request: Request,
  maxBytes: number,
  { signal, onPart }: { signal?: AbortSignal; onPart?: (bytes: number) => void } = {},
): Promise<Buffer<ArrayBuffer>> {
  if (Number(request.headers.get('content-length')) > maxBytes) throw tooLarge(maxBytes);
  const reader = request.body?.getReader();
  if (reader === undefined) return Buffer.alloc(0);
  const cancel = () => void reader.cancel().catch(() => undefined);
  signal?.addEventListener('abort', cancel, { once: true });
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
    cancel();
    throw error;
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

const tooLarge = (maxBytes: number) =>
  new TallyError('payload_too_large', `The request body is larger than ${maxBytes} bytes`);

/** Refuses malformed or too deep JSON, and text that Postgres can't store. @throws TallyError `invalid_input` */
export const readableJson: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if (methodsWithBody.has(c.req.method) && !withoutBody.test(c.req.path)) {
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
