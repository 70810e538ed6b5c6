/** Makes ids as Instagram has them: long, opaque, and strings, since they exceed what a number can hold. */
import { createHash } from 'node:crypto';

/** Meta's message ids are base64 of such a path, with ZD in the place of padding. */
export function createIds(): { comment: () => string; mid: (igUserId: string, personId: string) => string } {
  // The clock makes ids differ between runs, which a platform that remembers ids for days must see.
  let latest = Date.now();
  const next = (): number => {
    latest += 1;
    return latest;
  };
  return {
    comment: () => `1787${next()}`,
    mid: (igUserId, personId) => {
      const path = `ig_dm:1:IGMessage:${igUserId}:${personId}:${next()}`;
      return `aWdf${Buffer.from(path).toString('base64url')}ZD`;
    },
  };
}

/** 16 digits that are always the same for `seed`: who wrote a comment that the sandbox never saw, say. */
export function derivedId(seed: string): string {
  const digits = createHash('sha256').update(seed).digest().readBigUInt64BE() % 10n ** 15n;
  return `1${String(digits).padStart(15, '0')}`;
}

/** A name for an account or a person that nobody named. */
export const derivedUsername = (id: string): string => `ig_${id.slice(-6)}`;
