/** Escapes chat-template control tokens, which many servers other than OpenAI's interpret inside message text. */
import type { Message } from '@tally/tasks';

// ChatML and Llama 3 `<|im_end|>`, DeepSeek `<｜User｜>`, Gemma `<end_of_turn>`,
// Llama 2 and Mistral `</s>`, `<<SYS>>`, `[INST]`.
const controlTokens =
  /<(?=[|｜])|<(?=\/?(?:s|bos|eos|pad|unk|start_of_turn|end_of_turn|start_of_image|end_of_image|tool_call|tool_response)>)|<(?=<\/?SYS>>)|\[(?=\/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])/g;

const lookalikes: Record<string, string> = { '<': '‹', '[': '❲' };

/** Replaces the first bracket of each control token, so that untrusted text can't start another turn. */
export const escapeControlTokens = (messages: Message[]): Message[] =>
  messages.map((message) => ({
    ...message,
    content: message.content.replace(controlTokens, (bracket) => lookalikes[bracket] ?? ''),
  }));
