/** Comments get one private reply each, messages their answer, and the account's token is never seen again. */
import { randomBytes } from 'node:crypto';
import type { StoredProduct } from '@tally/extraction';
import { z } from 'zod';
import { expectEqual, expectThat } from '../expect.ts';
import { type Event, eventOf, fire, igUserId, sendsOf } from '../instagram.ts';
import type { Cast } from '../story.ts';

export async function answerOnInstagram(cast: Cast, product: StoredProduct): Promise<void> {
  const { screen } = cast;
  screen.chapter(
    'Instagram: a comment gets one private reply, however often it is announced',
    'Lea connects her account and says by a workflow which comments are answered, and about what. Instagram announces ' +
      'things twice now and then; a customer must not notice.',
  );
  await connect(cast);
  const workflow = { ig_user_id: igUserId, name: 'Price of the Aurora', keywords: ['price'], product_id: product.id };
  await cast.tenant.post('/api/workflows', workflow, z.object({}), 201);
  screen.answer('201, comments with the word "price" are answered with the Aurora');

  const comment = { kind: 'comment', text: 'Price please!', comment_id: '17900000000000001' };
  await fire(cast, comment);
  await fire(cast, comment);
  await showReply(cast, await eventOf(cast, comment.comment_id), /129/);

  const other = await fire(cast, { kind: 'comment', text: 'So beautiful!' });
  const { outcome } = await eventOf(cast, other);
  expectEqual('What becomes of a comment that no workflow is for', outcome, 'no_workflow');
  screen.answer(`no reply: ${outcome}`);

  const message = await fire(cast, { kind: 'message', text: 'Is the Aurora desk lamp in stock?' });
  await showReply(cast, await eventOf(cast, message), /in stock/i);

  const sends = await sendsOf(cast);
  const recipients = sends.map(({ recipient }) => Object.keys(recipient)[0]);
  expectEqual('What Instagram was asked to send', recipients, ['comment_id', 'id']);
  screen.request('sandbox', 'GET /sandbox/instagram/sends');
  screen.answer('2 messages in all: 1 private reply to the comment that came twice, 1 answer to the message');
}

async function connect({ screen, tenant }: Cast): Promise<void> {
  const token = `IGAA${randomBytes(24).toString('hex')}`;
  const account = { ig_user_id: igUserId, username: 'lumiere.oak', access_token: token };
  const connected = await tenant.post('/api/instagram/accounts', account, z.looseObject({}), 201);
  const listed = await tenant.quiet.get('/api/instagram/accounts', z.looseObject({}));
  expectThat('no answer shows the token', !JSON.stringify([connected, listed]).includes(token), [connected, listed]);
  screen.answer('201, @lumiere.oak is connected; its token is sealed, and no answer shows it again');
}

async function showReply(cast: Cast, event: Event, says: RegExp): Promise<void> {
  expectEqual(`The job of the ${event.kind}`, event.job_status, 'completed');
  const job = await cast.tenant.ended(event.job_id ?? '');
  const reply = (await sendsOf(cast)).at(-1);
  cast.screen.answer(`to the ${event.kind}: ${reply?.text}`, job.tokens_consumed);
  expectThat(`the reply arrives and says ${says.source}`, reply?.delivered === true && says.test(reply.text), reply);
}
