/** `npm run ops -- reseal`: seals stored secrets anew with ENCRYPTION_KEY, so that the key before it can go. */
import { isSealedBy, type SealKeys, seal, unseal } from '@tally/core';
import { listSealedTokens, replaceSealedToken, sealContext } from '@tally/db';
import { eachPage } from './pages.ts';
import type { OpsServices } from './services.ts';

/** Safe while everything runs, and to repeat: what was changed meanwhile was sealed by whoever changed it. Returns the exit code. */
export async function reseal({ db, sealKeys }: Pick<OpsServices, 'db'> & { sealKeys: SealKeys }): Promise<number> {
  const total = { resealed: 0, kept: 0, unreadable: 0 };
  await eachPage({ list: (page) => listSealedTokens(db, page), idOf: ({ id }) => id }, async (rows) => {
    for (const { id, igUserId, accessToken } of rows) {
      if (isSealedBy(sealKeys, accessToken)) {
        total.kept++;
        continue;
      }
      const context = sealContext(igUserId);
      const opened = open(sealKeys, context, accessToken);
      if (opened === undefined) {
        total.unreadable++;
        console.error(`The token of Instagram account ${igUserId} opens with neither key: connect the account again.`);
      } else if (await replaceSealedToken(db, { id, from: accessToken, to: seal(sealKeys, context, opened) }))
        total.resealed++;
      else total.kept++;
    }
  });
  console.log(
    `${total.resealed} sealed anew, ${total.kept} were sealed by this key already, ${total.unreadable} can't be opened.`,
  );
  return total.unreadable === 0 ? 0 : 1;
}

function open(keys: SealKeys, context: string, sealed: string): string | undefined {
  try {
    return unseal(keys, context, sealed);
  } catch {
    return undefined;
  }
}
