import { hash } from '@node-rs/argon2';
import { describe, expect, it } from 'vitest';
import { hashPassword, isPassword } from '../src/secrets/passwords.ts';

const forms = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const;
const spelled = 'Schlüssel ﬁn ２３ 한글 café';

describe('passwords', () => {
  it.each(forms)('a hash of the %s form matches all Unicode forms, nothing else', async (form) => {
    const stored = await hashPassword(spelled.normalize(form));
    for (const typed of forms) expect(await isPassword(stored, spelled.normalize(typed))).toBe(true);
    for (const other of ['Schlussel ﬁn ２３ 한글 café', spelled.toUpperCase(), `${spelled} `, ''])
      expect(await isPassword(stored, other)).toBe(false);
  });

  it.each(forms)('an old hash of the %s form as typed still matches', async (form) => {
    const stored = await hash(spelled.normalize(form));
    expect(await isPassword(stored, spelled.normalize(form))).toBe(true);
    expect(await isPassword(stored, `${spelled.normalize(form)}.`)).toBe(false);
  });

  it('an ASCII password is hashed as typed', async () => {
    expect(await isPassword(await hash('correct horse'), 'correct horse')).toBe(true);
  });
});
