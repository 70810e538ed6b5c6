/** Which passwords nobody should have. */
import { TallyError } from '@tally/core';
import { dictionary } from '@zxcvbn-ts/language-common';

const common = new Set(dictionary['passwords-common'].map((word) => String(word).toLowerCase()));

/** Refuses what is guessed first: a common password, or the address itself. @throws TallyError `invalid_input` */
export function refusePoorPassword(password: string, email: string, path: string): void {
  const lower = password.toLowerCase();
  const address = email.toLowerCase();
  const localPart = address.slice(0, address.lastIndexOf('@'));
  const message = common.has(lower)
    ? 'This password is one of the most common ones: choose another'
    : lower === address || lower === localPart
      ? 'The password must not be the e-mail address'
      : undefined;
  if (message !== undefined) throw new TallyError('invalid_input', message, { details: [{ path, message }] });
}
