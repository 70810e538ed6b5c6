/** What an answerer is and gives; a task with answers of its own adds one to the list in `answer.ts`. */
import type { ChatRequest } from './request.ts';

/** Holds the place of the answer's text within its values, so that an answer of a given size can grow and shrink there. */
export const spoken = Symbol('the text of the answer');

export type Answer = {
  /** The answer in words; in a JSON answer it fills the strings. */
  text: string;
  /** Whether the model had something to go by. */
  known: boolean;
  /**
   * What properties of these names get in a JSON answer, where the schema allows it. An object here fills an object
   * there by its properties' names, and `spoken` stands for the text.
   */
  values: Record<string, unknown>;
};

export type Answerer = {
  matches: (request: ChatRequest) => boolean;
  answer: (request: ChatRequest) => Answer;
};
