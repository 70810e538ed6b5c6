import type OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { useSandbox } from './fixture.ts';

const { ask } = useSandbox();

const system = `You answer customers of a shop.
Do not cite passages.
<business>
We are a lamp workshop. Be kind.
</business>
<context>
[1] Aurora desk lamp
The Aurora is a dimmable desk lamp of brushed aluminium. It costs 129 EUR and comes in sage, sand and black.
The Aurora has a guarantee of 5 years.
[2] Lumen floor lamp
The Lumen is a floor lamp of 165 cm. It costs 249 EUR.
[3] Shipping
Delivery takes 2 to 3 working days in Portugal and Spain.
Shipping is free from 80 EUR; below that it costs 6.90 EUR.
[4] شرایط بازگشت کالا
شما تا ۳۰ روز پس از تحویل می‌توانید چراغ را بازگردانید.
</context>`;

async function say(...turns: string[]): Promise<string> {
  const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'system', content: system }];
  for (const [turn, content] of turns.entries()) messages.push({ role: turn % 2 ? 'assistant' : 'user', content });
  return (await ask('', { messages })).choices[0]?.message.content ?? '';
}

describe('a customer', () => {
  test.each([
    ['How much is the Aurora?', 'It costs 129 EUR and comes in sage, sand and black.'],
    ['price of the Lumen floor lamp please', 'It costs 249 EUR.'],
    ['Is shipping free?', 'Shipping is free from 80 EUR; below that it costs 6.90 EUR.'],
    ['How long does delivery take?', 'Delivery takes 2 to 3 working days in Portugal and Spain.'],
    ['تا چند روز می‌توانم چراغ را بازگردانم؟', 'شما تا ۳۰ روز پس از تحویل می‌توانید چراغ را بازگردانید.'],
  ])('gets an answer without markers: %s', async (question, answer) => {
    expect(await say(question)).toBe(answer);
  });

  test.each([
    ['Hi!', 'Hi! How can I help you?'],
    ['سلام 👋', 'سلام! چطور می‌توانم کمکتان کنم؟'],
    ['Merhaba', 'Merhaba! Size nasıl yardımcı olabilirim?'],
    ['Hallo, guten Tag', 'Hallo! Wie kann ich helfen?'],
    ['こんにちは', 'こんにちは！ご用件をお聞かせください。'],
    ['❤️🔥', 'Hi! How can I help you?'],
    ['Thanks a lot!', "You're welcome! Is there anything else I can do for you?"],
  ])('who greets or thanks is greeted: %s', async (words, answer) => {
    expect(await say(words)).toBe(answer);
  });

  test('who sends several messages gets all of them answered at once', async () => {
    expect(await say('hi\nhow much is the aurora?\nand how long does delivery take?')).toBe(
      'Hi! It costs 129 EUR and comes in sage, sand and black. Delivery takes 2 to 3 working days in Portugal and Spain.',
    );
  });

  test('who goes on is understood from what came before', async () => {
    expect(await say('Tell me about the Lumen', 'The Lumen is a floor lamp.', 'And the price?')).toBe(
      'It costs 249 EUR.',
    );
  });

  test.each([
    ['Who won the World Cup?', "Sorry, I don't know that. Shall I ask a colleague to get back to you?"],
    ['پایتخت فرانسه کجاست؟', 'متأسفانه این را نمی‌دانم. می‌خواهید همکارم با شما تماس بگیرد؟'],
  ])('is told so where nothing is known: %s', async (question, answer) => {
    expect(await say(question)).toBe(answer);
  });
});

test.each([
  [
    '[1] アウロラ デスクランプ\n価格は20,900円です。色は3種類です。\n[2] ルーメン\n価格は41,800円です。',
    'アウロラはいくらですか？',
    '価格は20,900円です。',
  ],
  [
    '[1] Lambalar\nBakır lambanın fiyatı 2.499,90 TL.\nKargo ücreti 89,90 TL.',
    'Merhaba, kargo ne kadar?',
    'Merhaba! Kargo ücreti 89,90 TL.',
  ],
  [
    '[1] Versand\nDer Versand kostet 6,90 €.\n[2] Tide\nDie Leuchte kostet 119,00 €.',
    'Was kostet die Tide?',
    'Die Leuchte kostet 119,00 €.',
  ],
])('in another language the answer comes from %j', async (passages, question, answer) => {
  const { choices } = await ask('', {
    messages: [
      { role: 'system', content: `Do not cite passages.\n<context>\n${passages}\n</context>` },
      { role: 'user', content: question },
    ],
  });
  expect(choices[0]?.message.content).toBe(answer);
});

test('a private reply to a comment answers from the one product it is about', async () => {
  const product = `Do not cite passages.\n<context>\n[1] چراغ مهتاب\nقیمت: ۴٬۸۵۰٬۰۰۰ تومان\nموجود در انبار\n</context>`;
  const { choices } = await ask('', {
    messages: [
      { role: 'system', content: product },
      { role: 'user', content: 'سلام، قیمت چنده؟ 🙏' },
    ],
  });
  expect(choices[0]?.message.content).toBe('سلام! قیمت: ۴٬۸۵۰٬۰۰۰ تومان');
});
