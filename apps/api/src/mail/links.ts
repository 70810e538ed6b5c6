/** Links by e-mail: they confirm an address, and let in who has forgotten the password. */
import { createHash, randomBytes } from 'node:crypto';
import { insertEmailLink, type LinkPurpose } from '@tally/db';
import type { ApiServices } from '../services.ts';

const hourMs = 3_600_000;
const lifeMs: Record<LinkPurpose, number> = { confirm: 48 * hourMs, reset: hourMs };

export const hashLinkToken = (token: string): Buffer => createHash('sha256').update(token).digest();

/**
 * Sends a link to an account's address. The token stands behind `#`, which browsers send nowhere: a page there sends it on
 * when a button is pressed, for mail servers look at links before people do. @throws TallyError `unavailable`
 */
export async function sendLink(
  { db, mailer, config, ownAddress }: Pick<ApiServices, 'db' | 'mailer' | 'config' | 'ownAddress'>,
  {
    accountId,
    email,
    purpose,
    passwordHash,
  }: { accountId: string; email: string; purpose: LinkPurpose; passwordHash?: string },
): Promise<void> {
  const token = randomBytes(32).toString('base64url');
  await insertEmailLink(db, {
    tokenHash: hashLinkToken(token),
    accountId,
    purpose,
    passwordHash,
    lifeMs: lifeMs[purpose],
  });
  const { publicUrl } = config;
  // Never what a request says of the host: who asks for another's link would send it to his own.
  const base = publicUrl === undefined ? ownAddress() : `${publicUrl.origin}${publicUrl.path}`;
  const link = `${base}/account/${purpose}#${token}`;
  await mailer.send({ to: email, ...texts[purpose](link) });
}

const texts: Record<LinkPurpose, (link: string) => { subject: string; text: string }> = {
  confirm: (link) => ({
    subject: 'Confirm your address for Tally',
    text: `Somebody has opened an account at Tally with this address. If it was you, confirm it within two days, with the password that you chose:

${link}

If it was not you, do nothing: nobody can use your address without this link.
`,
  }),
  reset: (link) => ({
    subject: 'A new password for Tally',
    text: `Somebody has asked for a new password of the account at Tally that has this address. If it was you, choose one within an hour:

${link}

It works once. If it was not you, do nothing: the old password goes on.
`,
  }),
};
