/** Routes on conversations with customers: reading, pausing the assistant, adding and correcting messages. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { boundedText } from '@tally/core';
import {
  type ConversationView,
  correctMessage,
  findConversation,
  insertHumanMessage,
  listConversations,
  listMessages,
  type MessageView,
  setPaused,
} from '@tally/db';
import { maxQuestionCharacters } from '@tally/tasks';
import { limits } from '../../limits.ts';
import { bodyOf } from '../../rows.ts';
import { bearer, Created, errorResponses, IdParam, jsonBody, jsonResponse } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';
import { listRoute, nextCursor, orNotFound } from '../resources.ts';

const Conversation = z
  .object({
    id: z.uuid(),
    channel: z.enum(['api', 'instagram']),
    ig_user_id: z.string().nullable(),
    customer: z.string(),
    /** True while a human answers. */
    paused: z.boolean(),
    created_at: Created,
    last_message_at: Created,
  })
  .openapi('Conversation');
const Message = z
  .object({
    id: z.uuid(),
    role: z.enum(['customer', 'assistant', 'human']),
    text: z.string(),
    said_at: Created,
    unsent: z.boolean(),
    delivery: z.enum(['sending', 'sent', 'failed', 'uncertain']).nullable(),
    corrected: z.boolean(),
  })
  .openapi('Message');
const conversationBody = bodyOf(Conversation);
const toConversation = (row: ConversationView) => conversationBody({ ...row, paused: row.isPaused });
const messageBody = bodyOf(Message);
const toMessage = (row: MessageView) => messageBody({ ...row, unsent: row.isUnsent });

const noun = 'conversation or message';
const base = { tags: ['Chat'], security: bearer };
const path = '/api/chat/conversations';
const one = jsonResponse('The conversation', { conversation: Conversation });
const text = boundedText(maxQuestionCharacters);
const list = listRoute({
  ...base,
  path,
  summary: 'List conversations, the one with the latest message first',
  name: 'conversations',
  item: Conversation,
});
const get = createRoute({
  ...base,
  method: 'get',
  path: `${path}/{id}`,
  summary: 'A conversation with its latest messages, oldest first',
  request: { params: IdParam },
  responses: {
    200: jsonResponse('The conversation', { conversation: Conversation, messages: z.array(Message) }),
    ...errorResponses(401, 404),
  },
});
const pause = createRoute({
  ...base,
  method: 'post',
  path: `${path}/{id}/pause`,
  summary: 'Let a human answer: messages are kept, none is answered automatically',
  request: { params: IdParam },
  responses: { 200: one, ...errorResponses(401, 404) },
});
const resume = createRoute({
  ...base,
  method: 'post',
  path: `${path}/{id}/resume`,
  summary: 'Hand back to the assistant: it answers from the next message on',
  request: { params: IdParam },
  responses: { 200: one, ...errorResponses(401, 404) },
});
const addMessage = createRoute({
  ...base,
  method: 'post',
  path: `${path}/{id}/messages`,
  summary: 'Write down what a human answered (conversations by API; on Instagram, answer there)',
  request: { params: IdParam, ...jsonBody(z.strictObject({ text })) },
  responses: { 201: jsonResponse('The message', { message: Message }), ...errorResponses(400, 401, 404) },
});
const correct = createRoute({
  ...base,
  method: 'patch',
  path: `${path}/{id}/messages/{message_id}`,
  summary: 'Correct what was said, as later answers shall read it',
  request: { params: IdParam.extend({ message_id: z.uuid() }), ...jsonBody(z.strictObject({ text })) },
  responses: { 200: jsonResponse('The message', { message: Message }), ...errorResponses(400, 401, 404) },
});

export function conversationRoutes({ db }: ApiServices) {
  const setState = async (accountId: string, conversationId: string, isPaused: boolean) => {
    const conversation = orNotFound(noun, await setPaused(db, { accountId, conversationId, isPaused }));
    return { success: true as const, conversation: toConversation(conversation) };
  };
  return new OpenAPIHono<ApiEnv>()
    .openapi(list, async (c) => {
      const { limit, cursor } = c.req.valid('query');
      const rows = await listConversations(db, { accountId: c.get('identity').accountId, limit, afterId: cursor });
      const conversations = rows.map(toConversation);
      return c.json({ success: true as const, conversations, next_cursor: nextCursor(rows, limit) }, 200);
    })
    .openapi(get, async (c) => {
      const { accountId } = c.get('identity');
      const conversation = orNotFound(noun, await findConversation(db, accountId, c.req.valid('param').id));
      const limit = limits.messagesShown;
      const messages = await listMessages(db, { accountId, conversationId: conversation.id, limit });
      const body = { success: true as const, conversation: toConversation(conversation) };
      return c.json({ ...body, messages: messages.map(toMessage) }, 200);
    })
    .openapi(pause, async (c) =>
      c.json(await setState(c.get('identity').accountId, c.req.valid('param').id, true), 200),
    )
    .openapi(resume, async (c) =>
      c.json(await setState(c.get('identity').accountId, c.req.valid('param').id, false), 200),
    )
    .openapi(addMessage, async (c) => {
      const input = { conversationId: c.req.valid('param').id, text: c.req.valid('json').text };
      const { accountId } = c.get('identity');
      const message = orNotFound(noun, await insertHumanMessage(db, { accountId, ...input }));
      return c.json({ success: true as const, message: toMessage(message) }, 201);
    })
    .openapi(correct, async (c) => {
      const { id: conversationId, message_id: messageId } = c.req.valid('param');
      const { accountId } = c.get('identity');
      const input = { accountId, conversationId, messageId, text: c.req.valid('json').text };
      return c.json(
        { success: true as const, message: toMessage(orNotFound(noun, await correctMessage(db, input))) },
        200,
      );
    });
}
