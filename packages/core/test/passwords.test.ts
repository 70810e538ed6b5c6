import { hash } from '@node-rs/argon2';
import { describe, expect, it } from 'vitest';
import { hashPassword, isPassword } from '../src/passwords.ts';

const forms = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const;
const spelled = 'Schlüssel ﬁn ２３ 한글 café';

describe('a password', () => {
  it.each(forms)('hashed in %s is taken in every Unicode form, and no other password is', async (form) => {
    const stored = await hashPassword(spelled.normalize(form));
    for (const typed of forms) expect(await isPassword(stored, spelled.normalize(typed))).toBe(true);
    for (const other of ['Schlussel ﬁn ２３ 한글 café', spelled.toUpperCase(), `${spelled} `, ''])
      expect(await isPassword(stored, other)).toBe(false);
  });

  it.each(forms)('whose hash was made of its %s form as typed is taken as it was typed', async (form) => {
    const stored = await hash(spelled.normalize(form));
    expect(await isPassword(stored, spelled.normalize(form))).toBe(true);
    expect(await isPassword(stored, `${spelled.normalize(form)}.`)).toBe(false);
  });

  it('of ASCII is hashed as it is typed', async () => {
    expect(await isPassword(await hash('correct horse'), 'correct horse')).toBe(true);
  });
});
