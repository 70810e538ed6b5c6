/** The output of a paid step: read from the reply, stored for replay, and parsed again on replay. */
import { storableStrings, TallyError } from '@tally/core';
import type { AnswerFormat, LlmAnswer } from '@tally/tasks';
import { z } from 'zod';
import type { JsonFormat, ModelReply } from './client.ts';
import { readJson, wholeSentences } from './reply.ts';

/** The output of a paid step, as stored for replay. */
export type StepOutput =
  | { text: string; cutOff: boolean }
  | { refused: true }
  /** An unusable answer that is billed, since the account's bound of unbilled ones is reached; it is not retried. */
  | { unusable: true }
  /** Cut off and unusable: requested again with a higher cap. `isEnd`: the model stopped far below its cap. */
  | { cutOffAt: number; isEnd: boolean };

export const unfitText = 'The model’s answer does not fit what was asked';

/** How an answer is requested and parsed; `read` returns undefined for an answer that doesn't fit. */
export type Format<T> = {
  jsonSchema?: JsonFormat;
  read(answer: LlmAnswer): T | undefined;
};

/** Any text but an empty one, which can't be sent. */
export const plainText: Format<LlmAnswer> = {
  read: (answer) => (answer.text.trim() === '' ? undefined : answer),
};

/** A text that is trimmed to whole sentences if it was cut off. */
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

/** The form in which a reply is stored; undefined if it is unusable. */
export function toStepOutput(
  reply: ModelReply,
  format: Format<unknown>,
  call: { maxOutputTokens: number; outputTokens: number },
): StepOutput | undefined {
  if (reply.refusal) return { refused: true };
  const output = { text: storableStrings('', reply.text ?? '') as string, cutOff: reply.cutOff };
  if (reply.text !== null && isReadable(output, format)) return output;
  // A reasoning model may spend its whole cap on reasoning and send no text.
  if (!reply.cutOff) return undefined;
  return { cutOffAt: call.maxOutputTokens, isEnd: call.outputTokens < call.maxOutputTokens * 0.9 };
}

/** A parser that throws means that the answer does not fit; the call must be logged all the same. */
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
