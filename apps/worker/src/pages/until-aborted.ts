/** Waiting for work only as long as somebody wants it. */

/**
 * What `work` becomes, or the signal's reason, whichever comes first; after an abort the work's own end is of no interest.
 * Closing a browser context doesn't end every call to it: some stay unanswered.
 */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
