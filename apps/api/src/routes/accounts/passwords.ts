/** Refuses weak passwords. */
import { TallyError } from '@tally/core';
import { dictionary } from '@zxcvbn-ts/language-common';

const common = new Set(dictionary['passwords-common'].map((word) => String(word).toLowerCase()));

/** Refuses common passwords and those that equal the e-mail address. @throws TallyError `invalid_input` */
export function refuseWeakPassword(password: string, email: string, path: string): void {
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
