/** What an answerer is and gives; a task with answers of its own adds one to the list in `answer.ts`. */
import type { ChatRequest } from './request.ts';

export type Answer = {
  /** The answer in words; in a JSON answer it fills the strings. */
  text: string;
  /** Whether the model had something to go by. */
  known: boolean;
  /** What properties of these names get in a JSON answer, where the schema allows it. */
  values: Record<string, unknown>;
};

export type Answerer = {
  matches: (request: ChatRequest) => boolean;
  answer: (request: ChatRequest) => Answer;
};
