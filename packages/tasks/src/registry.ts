/** Lists all tasks. */
import { askQuestion } from './ask-question/index.ts';
import { customerChat } from './customer-chat/index.ts';
import type { AnyTask } from './define-task.ts';
import { instagramDm } from './instagram-dm/index.ts';
import { productExtraction } from './product-extraction/index.ts';
import { productQa } from './product-qa/index.ts';
import { promptEnhancement } from './prompt-enhancement/index.ts';

export const tasks: readonly AnyTask[] = [
  askQuestion,
  promptEnhancement,
  productExtraction,
  productQa,
  customerChat,
  instagramDm,
];

export const findTask = (name: string): AnyTask | undefined => tasks.find((task) => task.name === name);
