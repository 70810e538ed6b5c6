import { newAccount } from '@tally/testing';
import { newBilling, newConfig } from '@tally/testing/vitest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteKnowledge, insertKnowledge, listKnowledge, searchPassages } from '../src/index.ts';

const { db } = await newBilling(await newConfig(), afterAll);

let accountId: string;
beforeAll(async () => {
  ({ accountId } = await newAccount({ db }));
});

const searchIn = async (accountId: string, question: string, limit = 5) =>
  (await searchPassages(db, [{ accountId, question, limit }]))[0] ?? [];
const search = (question: string, limit = 5) => searchIn(accountId, question, limit);
const titles = async (question: string) => (await search(question)).map(({ title }) => title);
const teach = (title: string, text: string, owner = accountId) =>
  insertKnowledge(db, { accountId: owner, title, text });

describe('searching knowledge', () => {
  it('finds English words in any of their forms', async () => {
    await teach('Shipping', 'Parcels are delivered within three days.');
    expect(await titles('When will my parcel be delivering?')).toEqual(['Shipping']);
    expect(await titles('DELIVERS')).toEqual(['Shipping']);
  });

  it('finds Persian text typed with Arabic letters, joiners or digits', async () => {
    await teach('ارسال', 'هزینه‌ی ارسال کتاب‌ها ۲۵ هزار تومان است');
    expect(await titles('هزينه ارسال كتابها')).toEqual(['ارسال']);
    expect(await titles('25')).toEqual(['ارسال']);
  });

  it('finds Japanese, Hindi and Thai words inside sentences', async () => {
    await teach('天気', '東京都の天気は晴れです。');
    await teach('भाषा', 'हम हिन्दी में उत्तर देते हैं');
    await teach('ภาษา', 'เราจัดส่งสินค้าทุกวัน');
    expect(await titles('天気')).toEqual(['天気']);
    expect(await titles('हिन्दी')).toEqual(['भाषा']);
    expect(await titles('สินค้า')).toEqual(['ภาษา']);
    // Shares its first letter only.
    expect(await titles('हाथी')).toEqual([]);
  });

  it('ranks the passage that has more of the question first', async () => {
    await teach('Blue vase', 'A vase of blue glass.');
    await teach('Red vase', 'A vase of red glass, for roses.');
    expect(await titles('Which red glass vase is for roses?')).toEqual(['Red vase', 'Blue vase']);
  });

  it('finds the matching passage of a long text', async () => {
    const filler = 'The warehouse opens in the morning and closes in the evening. '.repeat(60);
    await teach('Handbook', `${filler}\n\nRefunds take fourteen days.\n\n${filler}`);
    const [passage] = await search('How long do refunds take?');
    expect(passage?.text).toContain('Refunds take fourteen days.');
    expect(passage?.text.length).toBeLessThanOrEqual(900);
  });

  it('never reads another account’s knowledge', async () => {
    const other = await newAccount({ db });
    await teach('Secret', 'The launch codeword is periwinkle.', other.accountId);
    expect(await titles('periwinkle codeword')).toEqual([]);
    expect(await searchIn(other.accountId, 'periwinkle')).toHaveLength(1);
    const { entries } = await listKnowledge(db, { accountId: other.accountId, limit: 5, maxBytes: 1_000 });
    const [secret] = entries;
    expect(await deleteKnowledge(db, accountId, secret?.id ?? '')).toBe(false);
    expect(await deleteKnowledge(db, other.accountId, secret?.id ?? '')).toBe(true);
    expect(await searchIn(other.accountId, 'periwinkle')).toEqual([]);
  });

  it('searches for many questions at once, each in its own account', async () => {
    const other = await newAccount({ db });
    await teach('Ours', 'The garden gnome is red.');
    await teach('Theirs', 'The garden gnome is green.', other.accountId);
    const found = await searchPassages(db, [
      { accountId: other.accountId, question: 'gnome', limit: 5 },
      { accountId, question: '?', limit: 5 },
      { accountId, question: 'gnome', limit: 5 },
      { accountId, question: 'garden gnome', limit: 0 },
    ]);
    expect(found.map((passages) => passages.map(({ title }) => title))).toEqual([['Theirs'], [], ['Ours'], []]);
  });

  it('finds nothing for a question of stop words or punctuation', async () => {
    expect(await search('?')).toEqual([]);
    expect(await search('the of and')).toEqual([]);
  });

  it('accepts any input', async () => {
    for (const question of [
      `'; drop table knowledge; --`,
      `a & b | !c <-> 'd':*`,
      '\\',
      '😀',
      `${'word '.repeat(2_000)}`,
    ])
      expect(Array.isArray(await search(question))).toBe(true);
  });
});
