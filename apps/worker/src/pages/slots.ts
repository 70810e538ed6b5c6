/** Limits on what happens at the same time: over all, and for each account. */

/** Returns a function that waits for a free slot and hands out what frees it again. @throws the signal's reason */
export function createSlots(count: number): (signal: AbortSignal) => Promise<() => void> {
  let free = count;
  const waiting = new Set<() => void>();

  /** A slot goes straight to whoever waits longest: nobody new comes in between. */
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

/** Returns a function that takes one of an account's places, and hands out what frees it again; undefined where it has none. */
export function createShares(most: number): (accountId: string) => (() => void) | undefined {
  const taken = new Map<string, number>();
  return (accountId) => {
    const before = taken.get(accountId) ?? 0;
    if (before >= most) return undefined;
    taken.set(accountId, before + 1);
    return () => {
      const now = (taken.get(accountId) ?? 1) - 1;
      if (now === 0) taken.delete(accountId);
      else taken.set(accountId, now);
    };
  };
}
