/** What a JSON body may be before any schema sees it: well-formed, shallow, and storable in Postgres. */
import { TallyError } from '@tally/core';
import type { MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { limits } from '../limits.ts';
import type { ApiEnv } from '../services.ts';

/** Refuses bodies over the limit, and counts bytes where no length was announced. */
export const limitBody: MiddlewareHandler<ApiEnv> = bodyLimit({
  maxSize: limits.maxBodyBytes,
  onError: () => {
    throw new TallyError('payload_too_large', `The request body is larger than ${limits.maxBodyBytes} bytes`);
  },
});

/** Refuses JSON that is malformed or nested too deeply, and text that Postgres can't store. */
export const readableJson: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if (c.req.method !== 'GET' && c.req.method !== 'DELETE' && c.req.method !== 'HEAD') {
    const type = c.req.header('content-type') ?? '';
    if (!/^application\/([a-z0-9.+-]+\+)?json\b/i.test(type))
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
