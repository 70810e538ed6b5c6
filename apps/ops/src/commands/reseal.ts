/** `npm run ops -- reseal`: re-encrypts stored secrets with ENCRYPTION_KEY, so that the previous key can be removed. */
import { isSealedBy, type SealKeys, seal, unseal } from '@tally/core';
import { type Database, listSealed, replaceSealed, type Sealed, type SealedKind } from '@tally/db';
import { eachPage } from '../pages.ts';

const kinds: SealedKind[] = ['instagram token', 'second factor'];

/** Safe to repeat and while running: a secret changed meanwhile is not overwritten. Returns the exit code. */
export async function reseal({ db, sealKeys }: { db: Database; sealKeys: SealKeys }): Promise<number> {
  const total = { resealed: 0, kept: 0, unreadable: 0 };
  for (const kind of kinds)
    await eachPage({ list: (page) => listSealed(db, kind, page), idOf: ({ id }) => id }, async (rows) => {
      for (const row of rows) total[await resealOne(db, sealKeys, kind, row)]++;
    });
  const { resealed, kept, unreadable } = total;
  console.log(`${resealed} sealed anew, ${kept} were sealed by this key already, ${unreadable} can't be opened.`);
  return unreadable === 0 ? 0 : 1;
}

async function resealOne(
  db: Database,
  keys: SealKeys,
  kind: SealedKind,
  { id, context, sealed }: Sealed,
): Promise<'resealed' | 'kept' | 'unreadable'> {
  if (isSealedBy(keys, sealed)) return 'kept';
  const opened = open(keys, context, sealed);
  if (opened === undefined) {
    console.error(`The ${kind} of ${context} opens with neither key: it has to be set up anew.`);
    return 'unreadable';
  }
  return (await replaceSealed(db, kind, { id, from: sealed, to: seal(keys, context, opened) })) ? 'resealed' : 'kept';
}

function open(keys: SealKeys, context: string, sealed: string): string | undefined {
  try {
    return unseal(keys, context, sealed);
  } catch {
    return undefined;
  }
}
