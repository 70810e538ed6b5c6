/** Turns every error into the API's error envelope. */
import { createHash } from 'node:crypto';
import type { z } from '@hono/zod-openapi';
import { isRedisUnavailable, type Logger, TallyError } from '@tally/core';
import { isSerializationConflict, isUnavailable } from '@tally/db';
import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { ApiEnv } from '../services.ts';

/** `Retry-After` of a 503 without a time of its own. */
const defaultRetryAfterMs = 2_000;

/** What a 402 adds to the envelope: the account's tokens, zeros without a subscription. */
export type RefusalDetails = { tokens_remaining: number; original_tokens: number; consumed_tokens: number };

/** Hono's error handler. An unknown error is logged under its request id and shown as fixed text. */
export function createErrorHandler(log: Logger) {
  return (error: Error, c: Context<ApiEnv>): Response => {
    const known = toTallyError(error);
    if (known.code === 'internal') log.error({ err: error, request_id: c.get('requestId') }, 'request failed');
    if (known.code === 'unavailable') log.warn({ err: error, request_id: c.get('requestId') }, 'dependency away');
    return sendError(c, known);
  };
}

/** Writes an error as `{success: false, error, error_code, request_id}` with its status. */
export function sendError(c: Context<ApiEnv>, error: TallyError): Response {
  const retryAfterMs = error.retryAfterMs ?? (error.status === 503 ? defaultRetryAfterMs : undefined);
  if (retryAfterMs !== undefined) c.header('Retry-After', String(Math.max(1, Math.ceil(retryAfterMs / 1_000))));
  if (error.status === 402) {
    c.header('X-Tokens-Remaining', String((error.details as RefusalDetails).tokens_remaining));
    c.header('Link', `<${c.get('prefix') ?? ''}/api/billing/overview>; rel="related"; title="Tokens and subscription"`);
  }
  const details = error.details === undefined ? {} : error.status === 402 ? error.details : { details: error.details };
  return c.json(
    {
      success: false,
      error: error.code === 'internal' ? 'Internal error' : error.message,
      error_code: error.code,
      request_id: c.get('requestId'),
      ...(details as object),
    },
    error.status as ContentfulStatusCode,
  );
}

function toTallyError(error: Error): TallyError {
  if (error instanceof TallyError) return error;
  // Thrown inside Hono; its texts are not part of this API.
  if (error instanceof HTTPException && error.status < 500)
    return new TallyError('invalid_input', 'The request is not valid');
  if (isUnavailable(error)) return new TallyError('unavailable', 'The database can’t be reached');
  if (isSerializationConflict(error))
    return new TallyError('unavailable', 'Somebody else changes the same thing', { retryAfterMs: 1_000 });
  if (isRedisUnavailable(error)) return new TallyError('unavailable', 'The queue can’t be reached');
  return new TallyError('internal', 'Internal error', { cause: error });
}

/** Fingerprint of a request for idempotency: SHA-256 of route and parsed body. */
export const requestHash = (route: string, body: unknown): Buffer =>
  createHash('sha256')
    .update(`${route}\n${JSON.stringify(body)}`)
    .digest();

/** One fault of the input: path of the field or parameter, and the reason. */
export type Fault = { path: string; message: string };

/** Faults listed in one response. */
export const maxFaults = 20;

/** The error for input that doesn't match its schema, with path and reason. */
export function invalidInput(error: z.ZodError): TallyError {
  const faults = error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message }));
  const first = faults[0];
  const where = first === undefined || first.path === '' ? '' : `${first.path}: `;
  return inputFaults(faults, `${where}${first?.message ?? ''}`);
}

/** The same for faults not found by zod; `summary` describes the first. */
export const inputFaults = (faults: Fault[], summary: string): TallyError =>
  new TallyError('invalid_input', `The input is not valid: ${summary}`, { details: faults.slice(0, maxFaults) });
