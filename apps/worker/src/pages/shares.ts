/** How many pages each account may have open in this process at a time, so that endless ones leave room for others'. */

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
