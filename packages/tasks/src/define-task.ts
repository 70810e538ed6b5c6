/** What a task is: one definition from which its route, queue, worker and documentation come. */
import type { AddressPolicy } from '@tally/extraction';
import type { z } from 'zod';
import type { TaskContext } from './context.ts';

export type TaskDefinition<Input extends z.ZodType = z.ZodType, Output extends z.ZodType = z.ZodType> = {
  /** Queue name, job kind and metrics label. */
  name: string;
  /** Where it is submitted. */
  path: `/api/${string}`;
  /** One line for the documentation. */
  summary: string;
  input: Input;
  output: Output;
  queue: {
    /** How often a job is tried before it fails for good. */
    attempts: number;
    /** The longest that one model call may take. */
    timeoutMs: number;
    /** How many of them one worker process runs at a time; by default `WORKER_CONCURRENCY`. */
    concurrency?: number;
  };
  /** The longest answer, and the shortest that is still of use: what a call reserves at most and at least. */
  outputTokens: { min: number; max: number };
  /**
   * What an account must have left for a job to be accepted: at most what its first call reserves at least, found without
   * a tokenizer. 1 for a task that may turn out free; by default its smallest answer.
   */
  minTokens?(input: z.infer<Input>): number;
  /** Says no to input that fits the schema, before it is accepted and again before it runs. @throws TallyError */
  check?(input: z.infer<Input>, policy: AddressPolicy): void;
  run(input: z.infer<Input>, ctx: TaskContext): Promise<z.infer<Output>>;
};

/** Checks a definition's types against each other; the registry is a list of what this returns. */
export function defineTask<Input extends z.ZodType, Output extends z.ZodType>(
  definition: TaskDefinition<Input, Output>,
): TaskDefinition<Input, Output> {
  return definition;
}

/** What an account must have left for this input to be worth a try, at least 1. */
export const minTokensFor = (task: Pick<AnyTask, 'minTokens' | 'outputTokens'>, input: unknown): number =>
  Math.max(1, task.minTokens?.(input as never) ?? task.outputTokens.min);

/** A task whose input type is only known to its own schema: parse before `check` and `run`. */
export type AnyTask = {
  [Key in keyof Omit<TaskDefinition, 'check' | 'run' | 'minTokens'>]: TaskDefinition[Key];
} & {
  minTokens?(input: never): number;
  check?(input: never, policy: AddressPolicy): void;
  run(input: never, ctx: TaskContext): Promise<unknown>;
};
