/** Every task, one line each. */
import { askQuestion } from './ask-question/index.ts';
import type { AnyTask } from './define-task.ts';

export const tasks: readonly AnyTask[] = [askQuestion];

/** The task of that name, or undefined. */
export const findTask = (name: string): AnyTask | undefined => tasks.find((task) => task.name === name);
