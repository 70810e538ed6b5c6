/** Words that end a message's turn where a server reads them in plain text, as many do that are not OpenAI's. */
import type { Message } from '@tally/tasks';

// ChatML and Llama 3 `<|im_end|>`, DeepSeek `<｜User｜>`, Gemma `<end_of_turn>`, Llama 2 and Mistral `</s>`, `<<SYS>>`, `[INST]`.
const controlTokens =
  /<(?=[|｜])|<(?=\/?(?:s|bos|eos|pad|unk|start_of_turn|end_of_turn|start_of_image|end_of_image|tool_call|tool_response)>)|<(?=<\/?SYS>>)|\[(?=\/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])/g;

const inert: Record<string, string> = { '<': '‹', '[': '❲' };

/** A conversation whose texts can't pretend to be another turn of it: such a word's first bracket is another character. */
export const withoutControlTokens = (messages: Message[]): Message[] =>
  messages.map((message) => ({
    ...message,
    content: message.content.replace(controlTokens, (bracket) => inert[bracket] ?? ''),
  }));
