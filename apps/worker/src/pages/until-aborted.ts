/** Stops waiting for work once a signal is aborted. */

/**
 * Settles with `work` or rejects with the signal's reason, whichever comes first; a later failure of `work` is ignored.
 * Needed since closing a browser context doesn't settle every call to it.
 */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
