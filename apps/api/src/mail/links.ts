/** Links by e-mail that confirm an address or reset a password. */
import { createHash, randomBytes } from 'node:crypto';
import { insertEmailLink, type LinkPurpose } from '@tally/db';
import type { ApiServices } from '../services.ts';

const hourMs = 3_600_000;
const lifeMs: Record<LinkPurpose, number> = { confirm: 48 * hourMs, reset: hourMs };

export const hashLinkToken = (token: string): Buffer => createHash('sha256').update(token).digest();

/**
 * Sends a link to an account's address. The token is in the fragment, which browsers don't send; the page posts it when
 * its button is pressed, since mail servers follow links before people do. @throws TallyError `unavailable`
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
  // Never from the Host header: an attacker could request a link for a victim that leads to the attacker's host.
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
