/** Lets only so many do something at the same time, in the order of their asking. */

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
