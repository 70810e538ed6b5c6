/** The interface through which a running task acts. It exposes no database, queue, Redis or HTTP. */
import type { Logger } from '@tally/core';
import type { ExtractedProduct, pageReading, RenderedPage, StoredProduct } from '@tally/extraction';
import type { z } from 'zod';

export type Message = { role: 'system' | 'user' | 'assistant'; content: string };

/** One metered call to the model: a step of a job. */
export type LlmRequest = {
  messages: Message[];
  /** Defaults to the task's own limits. */
  outputTokens?: { min: number; max: number };
  /** For answers sent to a person: a cut-off answer ends with its last whole sentence. */
  wholeSentences?: boolean;
};

export type LlmAnswer = {
  text: string;
  /** True where the answer stopped at its token limit. */
  cutOff: boolean;
};

/** The JSON format of an answer. Strict mode requires every property: use `.nullable()`, never `.optional()`. */
export type AnswerFormat<T> = { name: string; schema: z.ZodType<T> };

/** The kinds of sources of a passage. */
export const passageKinds = ['knowledge', 'product', 'qa'] as const;
export type PassageKind = (typeof passageKinds)[number];
export type KnowledgePassage = { kind: PassageKind; id: string; title: string; text: string };

/** A question and its answer, and the product, page or text it is about. */
export type QaPair = { question: string; answer: string };
export type QaSource = { productId: string } | { url: string } | { text: string };

/** One turn of a conversation. `human` is a person of the business, answering by hand. */
export type ChatTurn = { role: 'customer' | 'assistant' | 'human'; text: string };

/** What the job of a message must do in its conversation. */
export type ChatTurnTaken =
  /** Answer the pending messages (oldest first), given the earlier turns. */
  | { verdict: 'answer'; conversationId: string; pending: string[]; earlier: ChatTurn[] }
  /** Already answered together with another message, by this reply. */
  | { verdict: 'answered'; conversationId: string; reply: string; messageId: string | null }
  /** Nothing to answer. */
  | { verdict: 'silent'; conversationId: string; why: SilenceReason };
export const silenceReasons = ['paused', 'unsent', 'opted_out', 'reply_cap', 'already_answered'] as const;
export type SilenceReason = (typeof silenceReasons)[number];

export type ChatMessage = { conversationId?: string | undefined; customer: string; text: string };

/** A comment that a workflow answers with a private reply. */
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

/** The reply, with its message id where it was sent on Instagram; or why there is none. */
export type Said = { text: string; messageId: string | null } | { silent: SilenceReason };

export type PageReading = typeof pageReading;

export type TaskContext = {
  /**
   * Calls the model under a hold on the account's tokens. `step` names the call within the job: a retry gets the stored
   * answer without a call or a charge. @throws TallyError where the job must stop
   */
  llm(step: string, request: LlmRequest): Promise<LlmAnswer>;
  /** The same for an answer in JSON. @throws TallyError `model_output_invalid`, which is not charged */
  llmJson<T>(step: string, request: LlmRequest, format: AnswerFormat<T>): Promise<T>;
  /** Stores an intermediate result, which becomes the job's result if it ends early. */
  keep(result: unknown): void;
  /** Reports the job's current stage to clients. */
  progress(stage: string): Promise<void>;
  /** Finds the best matching passages of the account's knowledge, products and Q&A. */
  knowledge: { search(question: string, limit: number): Promise<KnowledgePassage[]> };
  /** The business's own instructions, versioned. */
  prompt: {
    current(): Promise<string | undefined>;
    /** Makes `text` the current version, once per job. */
    save(text: string): Promise<{ version: number }>;
  };
  pages: {
    open(url: string): Promise<RenderedPage>;
    /**
     * Runs one of the page reading functions off the event loop, with limits on time and memory.
     * @throws TallyError `too_large` where a limit is reached
     */
    read<Name extends keyof PageReading>(
      name: Name,
      input: Parameters<PageReading[Name]>[0],
    ): Promise<ReturnType<PageReading[Name]>>;
  };
  products: {
    find(id: string): Promise<StoredProduct | undefined>;
    /** Inserts or updates by URL and sku, keeping the owner's corrections. Returns them in the order given. */
    save(products: ExtractedProduct[]): Promise<StoredProduct[]>;
  };
  qa: {
    /** Existing questions about this source. */
    questions(source: QaSource): Promise<string[]>;
    /** Adds the pairs whose question is new, and returns them. */
    save(source: QaSource, pairs: QaPair[]): Promise<(QaPair & { id: string })[]>;
  };
  /** Submits another job of this account, once for each `key`, and returns its id. */
  submit(key: string, task: string, input: object): Promise<string>;
  chat: {
    /** Adds this job's message to its conversation and waits for its turn there. */
    take(message: ChatMessage): Promise<ChatTurnTaken>;
    /** Stores the reply to the pending messages; on Instagram also sends it, cut to the allowed length. */
    reply(text: string): Promise<Said>;
  };
  instagram: {
    /** Returns what to answer and with which product and instructions. @throws TallyError where it can't be answered */
    takeComment(comment: CommentInput): Promise<CommentTaken>;
    /** Sends the single private reply that a comment may get, cut to the allowed length. @throws TallyError */
    replyToComment(comment: CommentInput, text: string): Promise<Said>;
  };
  log: Logger;
  /** Aborted when the attempt must stop. */
  signal: AbortSignal;
};
