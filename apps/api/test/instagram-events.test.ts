import { normalise } from '@tally/db';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMatcher } from '../src/instagram/match-workflow.ts';
import { readOptOut } from '../src/instagram/opting-out.ts';
import { readEvents } from '../src/instagram/read-events.ts';

const now = new Date('2026-11-24T10:00:00Z');
const shop = '17841400000000001';
const read = (entry: unknown) => readEvents({ object: 'instagram', entry: [entry] }, now);
const messaging = (item: object) => ({
  id: shop,
  time: now.getTime(),
  messaging: [{ sender: { id: '5' }, recipient: { id: shop }, timestamp: now.getTime() - 400, ...item }],
});

describe('readEvents', () => {
  it('never throws, and gives each event its account', () => {
    const loose = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.jsonValue(),
        fc.constantFrom('instagram', shop, 'comments', '0', null, 1795327200),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(
          fc.constantFrom(
            'id',
            'entry',
            'changes',
            'messaging',
            'standby',
            'field',
            'value',
            'sender',
            'recipient',
            'message',
            'mid',
            'text',
            'from',
            'timestamp',
            'time',
            'reaction',
            'attachments',
          ),
          tie('value'),
          { maxKeys: 8 },
        ),
      ),
    }));
    fc.assert(
      fc.property(fc.array(loose.value, { maxLength: 6 }), (entry) => {
        for (const event of readEvents({ object: 'instagram', entry }, now)) {
          expect(event.happenedAt.getTime()).toBeLessThanOrEqual(now.getTime());
          expect(event.dedupeKey.length).toBeGreaterThan(0);
          expect(JSON.stringify(event)).not.toContain('\\u0000');
          expect(JSON.stringify(event).isWellFormed()).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('reads 20,000 nested arrays without a stack overflow', () => {
    const nested = JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`) as unknown;
    expect(read(nested)).toMatchObject([{ kind: 'invalid', payload: null }]);
    expect(read({ id: shop, changes: [{ field: 'new', value: { nested } }] })).toMatchObject([{ payload: null }]);
  });

  it('reads seconds and milliseconds, otherwise the time of receipt', () => {
    const at = (time: unknown) => read({ id: shop, time, field: 'x', value: {} })[0]?.happenedAt.toISOString();
    expect(at(1_795_000_000)).toBe('2026-11-18T11:06:40.000Z');
    expect(at(1_795_000_000_000)).toBe('2026-11-18T11:06:40.000Z');
    expect(at('1795000000')).toBe('2026-11-18T11:06:40.000Z');
    expect(at('2026-11-18T11:06:40Z')).toBe('2026-11-18T11:06:40.000Z');
    for (const nonsense of ['soon', -1, 9e15, null, {}, '']) expect(at(nonsense)).toBe(now.toISOString());
  });

  it('refuses numeric ids, which parsing has rounded', () => {
    const number = JSON.parse('17841405309211845') as number;
    expect(read({ id: number, field: 'comments', value: {} })[0]?.kind).toBe('invalid');
    expect(read({ id: shop, field: 'comments', value: { id: number } })[0]?.kind).toBe('invalid');
  });

  it.each([
    ['text', { message: { mid: 'm', text: 'hi' } }, 'message', 'hi'],
    ['picture', { message: { mid: 'm', attachments: [{ type: 'image' }] } }, 'message', '[image]'],
    [
      'story mention',
      { message: { mid: 'm', attachments: [{ type: 'story_mention' }] } },
      'message',
      '[story mention]',
    ],
    ['story reply', { message: { mid: 'm', text: 'nice', reply_to: { story: { id: '1' } } } }, 'message', 'nice'],
    ['postback', { postback: { mid: 'm', title: 'Opening hours', payload: 'HOURS' } }, 'postback', 'Opening hours'],
    ['unsent message', { message: { mid: 'm', is_deleted: true } }, 'message_unsent', null],
    ['edit', { message_edit: { mid: 'm', text: 'new', num_edit: '1' } }, 'message_edited', 'new'],
    ['unsupported message', { message: { mid: 'm', is_unsupported: true } }, 'unsupported_message', null],
    ['echo', { message: { mid: 'm', text: 'ours', is_echo: true } }, 'echo', 'ours'],
    [
      'echo without is_echo',
      { sender: { id: shop }, recipient: { id: '5' }, message: { mid: 'm', text: 'ours' } },
      'echo',
      'ours',
    ],
    ['message from the account to itself', { message: { mid: 'm', text: 'note', is_self: true } }, 'echo', 'note'],
    ['reaction', { reaction: { mid: 'm', action: 'react' } }, 'reaction', null],
    ['read receipt', { read: { mid: 'm' } }, 'read', null],
    ['referral', { referral: { ref: 'x' } }, 'referral', null],
    ['handover', { pass_thread_control: { new_owner_app_id: '1' } }, 'handover', null],
    ['unknown kind', { hologram: { mid: 'm' } }, 'unhandled', null],
    [
      'message for another account',
      { recipient: { id: '17841400000000002' }, message: { mid: 'm', text: 'hi' } },
      'invalid',
      null,
    ],
    ['message without an id', { message: { text: 'hi' } }, 'invalid', null],
  ])('reads %s', (_, item, kind, text) => {
    expect(read(messaging(item))).toMatchObject([{ kind, text }]);
  });

  it('gives redeliveries one dedupe key, also with clock skew', () => {
    const later = new Date(now.getTime() + 60_000);
    for (const item of [
      { postback: { title: 'Start' } },
      { postback: { mid: 'm', title: 'Start' } },
      { hologram: {} },
    ]) {
      const body = { object: 'instagram', entry: [messaging({ ...item, timestamp: now.getTime() + 5_000 })] };
      expect(readEvents(body, now)[0]?.dedupeKey).toBe(readEvents(body, later)[0]?.dedupeKey);
    }
    const edit = (num_edit: unknown) =>
      read(messaging({ message_edit: { mid: 'm', text: 'x', num_edit } }))[0]?.dedupeKey;
    expect(edit(1)).toBe(edit('1'));
    expect(edit(1)).not.toBe(edit(2));
  });

  it('strips what Postgres can’t store, also from keys', () => {
    const [event] = read({ id: shop, field: 'new', value: { 'a\0b': 'c\0d', e: '\ud800' } });
    expect(event?.payload).toEqual({ field: 'new', value: { ab: 'cd', e: '\ufffd' } });
  });

  it('keeps all code points that Postgres can store', () => {
    const text = 'سلام\u200c قیمت؟ İıŞ 南部鉄器 👩‍👩‍👧‍👦 \u2067۱۲۳\u2069';
    expect(read(messaging({ message: { mid: 'm', text: `${text}\0\ud83d` } }))[0]?.text).toBe(`${text}\ufffd`);
  });
});

describe('readOptOut', () => {
  it.each(['stop', 'STOP!', ' Stop. ', 'لغو', 'توقف', 'لغو 🙏', 'Unsubscribe', '停止', 'İptal'])(
    'reads %s as stop',
    (text) => {
      expect(readOptOut(text)).toBe('stop');
    },
  );
  it.each(['start', 'شروع', 'Başla'])('reads %s as start', (text) => {
    expect(readOptOut(text)).toBe('start');
  });
  it.each(['please stop by our shop', 'when do you start?', 'don’t stop', 'لغو سفارش چطور است؟', ''])(
    'reads %s as neither',
    (text) => {
      expect(readOptOut(text)).toBeUndefined();
    },
  );
});

/** Reference implementation of the keyword match, one keyword at a time. */
function containsKeyword(text: string, keyword: string): boolean {
  if (keyword === '') return false;
  const isSpaced = (letter: string | undefined) =>
    letter !== undefined &&
    /[\p{L}\p{N}\p{M}]/u.test(letter) &&
    !/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Thai}]/u.test(letter);
  const [all, sought] = [[...text], [...keyword]];
  return all.some((_, at) => {
    if (sought.some((letter, i) => all[at + i] !== letter)) return false;
    if (isSpaced(all[at - 1]) && isSpaced(all[at])) return false;
    const end = at + sought.length;
    if (!(isSpaced(all[end - 1]) && isSpaced(all[end]))) return true;
    const ending = /^[\p{L}\p{N}\p{M}]*/u.exec(all.slice(end).join(''))?.[0] ?? '';
    return [...ending].length <= (sought.length >= 4 ? 3 : 0);
  });
}

describe('createMatcher', () => {
  const flow = (id: string, keywords: string[], mediaIds: string[] = []) => ({
    id,
    keywords: keywords.map(normalise),
    mediaIds,
    productId: null,
  });
  const match = (text: string, flows: ReturnType<typeof flow>[], mediaIds: string[] = ['1']) =>
    createMatcher(flows)({ text, mediaIds })?.id;

  it('matches whole words in any case and letter form', () => {
    expect(match('PRICE please', [flow('a', ['price'])])).toBe('a');
    expect(match('قيمت؟', [flow('a', ['قیمت'])])).toBe('a');
    expect(match('nice prices!', [flow('a', ['price'])])).toBe('a');
    expect(match('قیمتش چنده؟', [flow('a', ['قیمت'])])).toBe('a');
    expect(match('priceless', [flow('a', ['price'])])).toBeUndefined();
    expect(match('discount', [flow('a', ['dis'])])).toBeUndefined();
    expect(match('この値段はいくら', [flow('a', ['値段'])])).toBe('a');
    expect(match('🔥🔥', [flow('a', ['🔥'])])).toBe('a');
    expect(match('İNDİRİM var mı', [flow('a', ['indirim'])])).toBe('a');
  });

  it('agrees with a search for each keyword by itself', () => {
    const letters = fc.constantFrom('a', 'b', 'é', ' ', 'ب', '漢', 'か', '!', '1', '\u0301', '😀', 'ก');
    const word = fc.array(letters, { minLength: 1, maxLength: 5 }).map((all) => all.join(''));
    const comment = fc.array(letters, { maxLength: 24 }).map((all) => all.join(''));
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), comment, (words, text) => {
        const expected = words.map(normalise).some((keyword) => containsKeyword(normalise(text), keyword.trim()));
        expect(
          match(text, [
            flow(
              'a',
              words.map((one) => one.trim()),
            ),
          ]) === 'a',
        ).toBe(expected);
      }),
      { numRuns: 5_000 },
    );
  });

  it('prefers workflows for the post, then those for the keyword', () => {
    const flows = [flow('all', []), flow('word', ['price']), flow('post', [], ['7']), flow('both', ['price'], ['7'])];
    expect(match('price', flows, ['7'])).toBe('both');
    expect(match('hello', flows, ['7'])).toBe('post');
    expect(match('price', flows, ['8'])).toBe('word');
    expect(match('hello', flows, ['8'])).toBe('all');
  });
});
