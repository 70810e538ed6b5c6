/** Concurrency limits: in total, and per account. */

/** Returns a function that waits for a free slot and returns its release function. @throws the signal's reason */
export function createSlots(count: number): (signal: AbortSignal) => Promise<() => void> {
  let free = count;
  const waiting = new Set<() => void>();

  /** A freed slot passes to the longest waiter, so that a new caller can't overtake it. */
  function release(): void {
    const [next] = waiting;
    if (next) next();
    else free++;
  }

  return async (signal) => {
    signal.throwIfAborted();
    if (free > 0) {
      free--;
      return release;
    }
    await new Promise<void>((resolve, reject) => {
      const granted = () => {
        waiting.delete(granted);
        signal.removeEventListener('abort', aborted);
        resolve();
      };
      const aborted = () => {
        waiting.delete(granted);
        reject(signal.reason);
      };
      waiting.add(granted);
      signal.addEventListener('abort', aborted, { once: true });
    });
    return release;
  };
}

/** Returns a function that takes a slot of an account and returns its release function; undefined if none is free. */
export function createShares(maxPerAccount: number): (accountId: string) => (() => void) | undefined {
  const taken = new Map<string, number>();
  return (accountId) => {
    const before = taken.get(accountId) ?? 0;
    if (before >= maxPerAccount) return undefined;
    taken.set(accountId, before + 1);
    return () => {
      const now = (taken.get(accountId) ?? 1) - 1;
      if (now === 0) taken.delete(accountId);
      else taken.set(accountId, now);
    };
  };
}
