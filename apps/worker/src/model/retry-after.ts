/** Reads the retry delay that a provider asks for. */

const maxMs = 3_600_000;

/**
 * Milliseconds from `retry-after-ms`, or from `Retry-After` in seconds or as an HTTP date (RFC 9110, 10.2.3); at most
 * an hour; undefined if the headers hold no readable value.
 */
export function retryAfterMs(headers: Headers | undefined, nowMs: number): number | undefined {
  const ms = Number(headers?.get('retry-after-ms') ?? Number.NaN);
  if (Number.isFinite(ms) && ms >= 0) return Math.min(ms, maxMs);
  const value = headers?.get('retry-after')?.trim();
  if (!value) return undefined;
  const seconds = Number(value);
  const waitMs = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(value) - nowMs;
  if (Number.isNaN(waitMs)) return undefined;
  return Math.min(Math.max(0, waitMs), maxMs);
}

/** Milliseconds from the `google.rpc.RetryInfo` in an error's details, such as `retryDelay: '34.07s'`. */
export function retryDelayMs(error: unknown): number | undefined {
  const details = (error as { details?: unknown } | undefined)?.details;
  if (!Array.isArray(details)) return undefined;
  const delays = details.map((detail) =>
    Number.parseFloat((detail as { retryDelay?: string } | null)?.retryDelay ?? ''),
  );
  const seconds = delays.find((delay) => delay >= 0);
  return seconds === undefined ? undefined : Math.min(seconds * 1_000, maxMs);
}
