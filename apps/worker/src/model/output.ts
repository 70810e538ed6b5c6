/** What a paid step gives its task: read from the reply, stored for replay, and read again. */
import { storableStrings, TallyError } from '@tally/core';
import type { AnswerFormat, LlmAnswer } from '@tally/tasks';
import { z } from 'zod';
import type { JsonFormat, ModelReply } from './client.ts';
import { readJson, wholeSentences } from './reply.ts';

/** What a paid step gave, as it is stored for replay. */
export type StepOutput =
  | { text: string; cutOff: boolean }
  | { refused: true }
  /** Billed, for the account's bound of unusable answers is reached: another try would not be. */
  | { unusable: true }
  /** Of no use, and asked for again with more room; not where the model ended far below its cap. */
  | { cutOffAt: number; isEnd: boolean };

export const unfitText = 'The model’s answer does not fit what was asked';

/** How an answer is asked for and read; `read` gives undefined for one that doesn't fit. */
export type Format<T> = {
  jsonSchema?: JsonFormat;
  read(answer: LlmAnswer): T | undefined;
};

/** An empty text is no answer: it can't be sent. */
export const plainText: Format<LlmAnswer> = {
  read: (answer) => (answer.text.trim() === '' ? undefined : answer),
};

/** A text of which a reader gets whole sentences only, also where it was cut off. */
export const wholeText: Format<LlmAnswer> = {
  read: (answer) => plainText.read(answer.cutOff ? { ...answer, text: wholeSentences(answer.text) } : answer),
};

export function toJsonFormat<T>({ name, schema }: AnswerFormat<T>): Format<T> {
  const { $schema: _, ...jsonSchema } = z.toJSONSchema(schema);
  return {
    jsonSchema: { name, jsonSchema },
    read: ({ text }) => schema.safeParse(readJson(text, storableStrings)).data,
  };
}

/** What a reply is stored as; undefined where it gives nothing that could be used. */
export function toStepOutput(
  reply: ModelReply,
  format: Format<unknown>,
  call: { maxOutputTokens: number; outputTokens: number },
): StepOutput | undefined {
  if (reply.refusal) return { refused: true };
  const output = { text: storableStrings('', reply.text ?? '') as string, cutOff: reply.cutOff };
  if (reply.text !== null && isReadable(output, format)) return output;
  // A reasoning model may spend all of its cap on thinking, and send no text at all.
  if (!reply.cutOff) return undefined;
  return { cutOffAt: call.maxOutputTokens, isEnd: call.outputTokens < call.maxOutputTokens * 0.9 };
}

/** An answer that makes a reader throw fits nothing; its call is in the log all the same. */
function isReadable(answer: LlmAnswer, format: Format<unknown>): boolean {
  try {
    return format.read(answer) !== undefined;
  } catch {
    return false;
  }
}

export function readStored<T>(output: Exclude<StepOutput, { cutOffAt: number }>, format: Format<T>): T {
  if ('refused' in output) throw new TallyError('model_refused', 'The model refused to answer');
  const value = 'unusable' in output ? undefined : format.read(output);
  if (value === undefined) throw new TallyError('model_output_invalid', unfitText, { isFinal: 'unusable' in output });
  return value;
}
