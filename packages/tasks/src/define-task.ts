/** What a task is: one definition from which its route, queue, worker and documentation come. */
import type { Logger } from '@tally/core';
import type { z } from 'zod';

export type Message = { role: 'system' | 'user' | 'assistant'; content: string };

/** One metered call to the model: a step of a job. */
export type LlmRequest = {
  messages: Message[];
  /** Defaults to the task's own limits. */
  outputTokens?: { min: number; max: number };
};

export type LlmAnswer = {
  text: string;
  /** True where the answer stopped at its token limit rather than by itself. */
  cutOff: boolean;
};

export type KnowledgePassage = { knowledgeId: string; title: string; text: string };

/** What a running task may use of the world. It knows no database, queue, Redis or HTTP. */
export type TaskContext = {
  /**
   * Asks the model under a hold on the account's tokens. `step` names the call within the job: a retry that finds its
   * answer stored gets that, without a call or a charge. @throws TallyError where the job must stop
   */
  llm(step: string, request: LlmRequest): Promise<LlmAnswer>;
  knowledge: { search(question: string, limit: number): Promise<KnowledgePassage[]> };
  log: Logger;
  /** Aborted when the attempt must stop. */
  signal: AbortSignal;
};

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
  };
  /** The longest answer, and the shortest that is still of use: what a call reserves at most and at least. */
  outputTokens: { min: number; max: number };
  run(input: z.infer<Input>, ctx: TaskContext): Promise<z.infer<Output>>;
};

/** Checks a definition's types against each other; the registry is a list of what this returns. */
export function defineTask<Input extends z.ZodType, Output extends z.ZodType>(
  definition: TaskDefinition<Input, Output>,
): TaskDefinition<Input, Output> {
  return definition;
}

/** A task whose input type is only known to its own schema: parse before `run`. */
export type AnyTask = {
  [Key in keyof TaskDefinition]: Key extends 'run'
    ? (input: never, ctx: TaskContext) => Promise<unknown>
    : TaskDefinition[Key];
};
