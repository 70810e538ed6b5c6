/** Defines tasks: a task's route, queue, worker and documentation all derive from one definition. */
import type { AddressPolicy } from '@tally/extraction';
import type { z } from 'zod';
import type { TaskContext } from './context.ts';

export type TaskDefinition<Input extends z.ZodType = z.ZodType, Output extends z.ZodType = z.ZodType> = {
  /** Queue name, job kind and metrics label. */
  name: string;
  /** The route for submissions. */
  path: `/api/${string}`;
  /** One line for the documentation. */
  summary: string;
  input: Input;
  output: Output;
  queue: {
    /** Attempts before a job fails permanently. */
    attempts: number;
    /** Limit for one model call. */
    timeoutMs: number;
    /** Jobs that one worker process runs at a time; by default `WORKER_CONCURRENCY`. */
    concurrency?: number;
  };
  /** The longest answer and the shortest useful one: what a call reserves at most and at least. */
  outputTokens: { min: number; max: number };
  /**
   * Remaining tokens required to accept a job, estimated without a tokenizer: never more than its first call's minimum
   * reservation. 1 for a task that may turn out free; by default its smallest answer.
   */
  minTokens?(input: z.infer<Input>): number;
  /** Rejects input beyond the schema, before it is accepted and again before it runs. @throws TallyError */
  check?(input: z.infer<Input>, policy: AddressPolicy): void;
  run(input: z.infer<Input>, ctx: TaskContext): Promise<z.infer<Output>>;
};

/** Type-checks a definition and returns it for the registry. */
export function defineTask<Input extends z.ZodType, Output extends z.ZodType>(
  definition: TaskDefinition<Input, Output>,
): TaskDefinition<Input, Output> {
  return definition;
}

/** The remaining tokens required to accept this input, at least 1. */
export const minTokensFor = (task: Pick<AnyTask, 'minTokens' | 'outputTokens'>, input: unknown): number =>
  Math.max(1, task.minTokens?.(input as never) ?? task.outputTokens.min);

/** A task with an erased input type: parse the input with its schema before `check` and `run`. */
export type AnyTask = {
  [Key in keyof Omit<TaskDefinition, 'check' | 'run' | 'minTokens'>]: TaskDefinition[Key];
} & {
  minTokens?(input: never): number;
  check?(input: never, policy: AddressPolicy): void;
  run(input: never, ctx: TaskContext): Promise<unknown>;
};
