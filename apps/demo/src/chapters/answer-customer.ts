/** A customer writes three messages in a row, and gets one reply. */
import { z } from 'zod';
import { resultOf } from '../client.ts';
import { expectEqual, expectThat } from '../expect.ts';
import type { Cast } from '../story.ts';

const messages = ['Hi!', 'How much is the Aurora desk lamp?', 'And is it in stock?'];
const Replied = z.object({ conversation_id: z.string(), reply: z.string() });
const Conversation = z.object({ messages: z.array(z.object({ role: z.string(), text: z.string() })) });

export async function answerCustomer({ screen, tenant }: Cast): Promise<void> {
  screen.chapter(
    'A customer writes three messages, and gets one reply',
    'People send their thoughts in pieces. Three jobs are queued, wait for a second of silence, and one of them answers ' +
      'for all: one model call, one bill.',
  );
  const jobIds: string[] = [];
  for (const text of messages) jobIds.push(await tenant.submit('/api/chat/messages', { customer: 'tom', text }));
  const jobs = await Promise.all(jobIds.map(tenant.ended));
  const replies = jobs.map((job) => resultOf(job, Replied));
  const [first] = replies;
  const billed = jobs.map(({ tokens_consumed }) => tokens_consumed);
  screen.answer(first?.reply ?? '', sum(billed));
  screen.note(`The three jobs were billed ${billed.join(' + ')} tokens.`);
  expectEqual('The replies that the three jobs name', new Set(replies.map(({ reply }) => reply)).size, 1);
  expectThat('the reply names price and stock', /129.*in stock/is.test(first?.reply ?? ''), first);
  expectEqual('How many of the jobs were billed', billed.filter((tokens) => tokens > 0).length, 1);
  const path = `/api/chat/conversations/${first?.conversation_id}`;
  const { messages: said } = await tenant.quiet.get(path, Conversation);
  const expected = [...messages.map((text) => ({ role: 'customer', text })), { role: 'assistant', text: first?.reply }];
  expectEqual('The conversation', said, expected);
}

const sum = (numbers: number[]): number => numbers.reduce((total, number) => total + number, 0);
