/** Telling a request that never left from one that may have been carried out. */

const neverConnected = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** True only where no connection was made, so that nothing of the request can have been read. */
export function isUnsentRequest(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as { code?: unknown };
    if (typeof code === 'string' && neverConnected.has(code)) return true;
    if (cause instanceof AggregateError && cause.errors.length > 0) return cause.errors.every(isUnsentRequest);
  }
  return false;
}
