/** The context of a running task: each function is one query, one call, or one write under the job's fence. */
import { idAfter, storableStrings, TallyError } from '@tally/core';
import {
  findProduct,
  insertJobs,
  insertPrompt,
  insertQaPairs,
  listQuestions,
  upsertProducts,
  writeProgress,
} from '@tally/db';
import { describeProduct, type ExtractedProduct, StoredProduct } from '@tally/extraction';
import { announce, enqueueSoon } from '@tally/queue';
import { findTask, type TaskContext } from '@tally/tasks';
import { createCommentReplies } from '../instagram/comments.ts';
import type { ClaimedJob, WorkerServices } from '../services.ts';
import type { Attempt } from './attempt.ts';
import { createChat } from './chat.ts';
import { Snoozed } from './stops.ts';
import { untilReachable } from './until-reachable.ts';

/** Creates the context of one attempt. */
export function createContext(services: WorkerServices, job: ClaimedJob, attempt: Attempt): TaskContext {
  const { db } = services;
  const { accountId, jobId } = job;
  const { log, signal, write, giveUpAtMs } = attempt;
  const read = <T>(query: () => Promise<T>): Promise<T> => untilReachable(query, { log, signal, giveUpAtMs });
  return {
    log,
    signal,
    llm: attempt.llm,
    llmJson: attempt.llmJson,
    keep: attempt.keep,
    progress: async (stage) => {
      await write((client) => writeProgress(client, jobId, stage));
      announce(services, jobId, 'running');
    },
    knowledge: { search: (question, limit) => read(() => services.searchPassages({ accountId, question, limit })) },
    prompt: {
      current: () => read(() => services.readPrompt(accountId)),
      save: (text) => write((client) => insertPrompt(client, { accountId, text, origin: 'generated', jobId })),
    },
    pages: {
      read: (name, input) => services.extractionPool.read(name, input, signal),
      open: async (url) => {
        const release = services.takePageShare(accountId);
        if (release === undefined) throw new Snoozed(shareWaitMs(job.waits));
        return services.pages.open(accountId, url, { signal }).finally(release);
      },
    },
    products: {
      find: async (id) => {
        const product = await read(() => findProduct(db, accountId, id));
        return product && StoredProduct.parse(product);
      },
      save: async (products) => {
        const kept = await write((client) => upsertProducts(client, accountId, products.map(toRow), describeProduct));
        return kept.map((product) => StoredProduct.parse(product));
      },
    },
    qa: {
      questions: (source) => read(() => listQuestions(db, accountId, source)),
      save: async (source, pairs) => {
        const added = await write((client) => insertQaPairs(client, { accountId, jobId }, source, pairs));
        return added.map(({ id, question, answer }) => ({ id, question, answer }));
      },
    },
    submit: async (key, task, input) => {
      if (findTask(task) === undefined) throw new TallyError('internal', `there is no task ${task}`);
      const id = idAfter(jobId, key);
      await write((client) => insertJobs(client, [{ id, accountId, task, input }]));
      await enqueueSoon(services.queues, [{ jobId: id, accountId, task, dispatch: 1, delayMs: 0 }]);
      return id;
    },
    chat: createChat(services, job, attempt),
    instagram: createCommentReplies(services, job, attempt),
  };
}

/** Back-off while the account's other pages are being read. */
const shareWaitMs = (waits: number): number =>
  Math.round(Math.min(5_000, 300 * 1.5 ** waits) * (0.75 + Math.random() / 2));

const toRow = (product: ExtractedProduct): ExtractedProduct => JSON.parse(JSON.stringify(product), storableStrings);
