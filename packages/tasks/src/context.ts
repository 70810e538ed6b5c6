/** What a running task may use of the world. It knows no database, queue, Redis or HTTP. */
import type { Logger } from '@tally/core';
import type { ExtractedProduct, pageReading, RenderedPage, StoredProduct } from '@tally/extraction';
import type { z } from 'zod';

export type Message = { role: 'system' | 'user' | 'assistant'; content: string };

/** One metered call to the model: a step of a job. */
export type LlmRequest = {
  messages: Message[];
  /** Defaults to the task's own limits. */
  outputTokens?: { min: number; max: number };
  /** The answer goes to a person: one that was cut off ends with its last whole sentence. */
  wholeSentences?: boolean;
};

export type LlmAnswer = {
  text: string;
  /** True where the answer stopped at its token limit rather than by itself. */
  cutOff: boolean;
};

/** JSON that the model must answer in. Strict mode wants every property required: `.nullable()`, never `.optional()`. */
export type AnswerFormat<T> = { name: string; schema: z.ZodType<T> };

/** Where a passage comes from. */
export const passageKinds = ['knowledge', 'product', 'qa'] as const;
export type PassageKind = (typeof passageKinds)[number];
export type KnowledgePassage = { kind: PassageKind; id: string; title: string; text: string };

/** A question and its answer; about a product, or from a page or text. */
export type QaPair = { question: string; answer: string };
export type QaSource = { productId: string } | { url: string } | { text: string };

/** One side's turn in a conversation. `human` is the business itself, answering by hand. */
export type ChatTurn = { role: 'customer' | 'assistant' | 'human'; text: string };

/** What the conversation wants of the job that was handed one of its messages. */
export type ChatTurnTaken =
  /** Answer these messages (oldest first), after these earlier turns. */
  | { verdict: 'answer'; conversationId: string; pending: string[]; earlier: ChatTurn[] }
  /** Answered together with another message, by this reply. */
  | { verdict: 'answered'; conversationId: string; reply: string; messageId: string | null }
  /** Nothing to answer. */
  | { verdict: 'silent'; conversationId: string; why: SilenceReason };
export const silenceReasons = ['paused', 'unsent', 'opted_out', 'reply_cap', 'already_answered'] as const;
export type SilenceReason = (typeof silenceReasons)[number];

export type ChatMessage = { conversationId?: string | undefined; customer: string; text: string };

/** A comment that a workflow answers in private. */
export type CommentInput = {
  igUserId: string;
  commentId: string;
  fromId?: string | undefined;
  productId?: string | undefined;
  workflowId?: string | undefined;
};
export type CommentTaken =
  /** An earlier attempt has sent its reply. */
  | { verdict: 'answered'; said: Said }
  | { verdict: 'answer'; product: StoredProduct | undefined; instructions: string | null; username: string }
  | { verdict: 'silent'; why: SilenceReason };

/** What was said; by its message id where it left for Instagram. Or why nothing was. */
export type Said = { text: string; messageId: string | null } | { silent: SilenceReason };

export type PageReading = typeof pageReading;

export type TaskContext = {
  /**
   * Asks the model under a hold on the account's tokens. `step` names the call within the job: a retry that finds its
   * answer stored gets that, without a call or a charge. @throws TallyError where the job must stop
   */
  llm(step: string, request: LlmRequest): Promise<LlmAnswer>;
  /** The same for an answer in JSON. @throws TallyError `model_output_invalid` where it doesn't fit: nothing is charged */
  llmJson<T>(step: string, request: LlmRequest, format: AnswerFormat<T>): Promise<T>;
  /** What the job has to show so far: its result, should it end before it is done. */
  keep(result: unknown): void;
  /** Shows clients where the job is, in a word. */
  progress(stage: string): Promise<void>;
  /** Passages of the account's knowledge, products and Q&A that fit a question best. */
  knowledge: { search(question: string, limit: number): Promise<KnowledgePassage[]> };
  /** The business's own instructions, in versions. */
  prompt: {
    current(): Promise<string | undefined>;
    /** Makes `text` the current version, once a job. */
    save(text: string): Promise<{ version: number }>;
  };
  pages: {
    open(url: string): Promise<RenderedPage>;
    /**
     * Runs one of the functions that read pages, beside the event loop and bounded in time and memory.
     * @throws TallyError `too_large` where a bound is reached
     */
    read<Name extends keyof PageReading>(
      name: Name,
      input: Parameters<PageReading[Name]>[0],
    ): Promise<ReturnType<PageReading[Name]>>;
  };
  products: {
    find(id: string): Promise<StoredProduct | undefined>;
    /** Inserts or updates by address and sku; what the owner corrected stays. In the order given. */
    save(products: ExtractedProduct[]): Promise<StoredProduct[]>;
  };
  qa: {
    /** Questions that exist already about this source. */
    questions(source: QaSource): Promise<string[]>;
    /** Adds pairs whose question is new, and returns those. */
    save(source: QaSource, pairs: QaPair[]): Promise<(QaPair & { id: string })[]>;
  };
  /** Submits another job of this account, once for each `key`, and returns its id. */
  submit(key: string, task: string, input: object): Promise<string>;
  chat: {
    /** Takes this job's message into its conversation and waits for its turn there. */
    take(message: ChatMessage): Promise<ChatTurnTaken>;
    /** Stores the reply to the pending messages and sends it where the conversation is on Instagram, cut to what fits there. */
    reply(text: string): Promise<Said>;
  };
  instagram: {
    /** What is to be answered, and with what. @throws TallyError where it can't be */
    takeComment(comment: CommentInput): Promise<CommentTaken>;
    /** Sends the one private reply that a comment may get, cut to what fits. @throws TallyError */
    replyToComment(comment: CommentInput, text: string): Promise<Said>;
  };
  log: Logger;
  /** Aborted when the attempt must stop. */
  signal: AbortSignal;
};
