/** CPU-bound text work on worker threads, so that long texts or many comments don't block the event loop. */
import { TallyError } from '@tally/core';
import type { CutPassage, MatchableWorkflow } from '@tally/db';
import { Piscina } from 'piscina';
import type { CommentText } from '../instagram/match-workflow.ts';

export type TextThreads = {
  /** Cuts a text into passages with their search terms. */
  cut(text: { title: string; text: string }): Promise<CutPassage[]>;
  /** The workflow id of each comment, or undefined. */
  match(workflows: MatchableWorkflow[], comments: CommentText[]): Promise<(string | undefined)[]>;
  close(): Promise<void>;
};

const threads = 2;
const maxWaiting = 500;
const idleMs = 60_000;
const maxMs = 10_000;
const retryAfterMs = 2_000;

/** Starts threads on demand. Calls throw TallyError `unavailable` where too many wait, or one takes too long. */
export function createTextThreads(): TextThreads {
  const pool = new Piscina({
    filename: new URL('thread.ts', import.meta.url).href,
    minThreads: 0,
    maxThreads: threads,
    maxQueue: maxWaiting,
    idleTimeout: idleMs,
    resourceLimits: { maxOldGenerationSizeMb: 256 },
  });
  async function run<T>(name: string, input: unknown): Promise<T> {
    const signal = AbortSignal.timeout(maxMs);
    try {
      return await pool.run(input, { name, signal });
    } catch (error) {
      const isBusy = signal.aborted || (error instanceof Error && error.message === fullMessage);
      if (isBusy) throw new TallyError('unavailable', 'Too many texts are being worked on', { retryAfterMs });
      throw error;
    }
  }
  return {
    cut: (text) => run('cut', text),
    match: (workflows, comments) => run('match', { workflows, comments }),
    close: () => pool.destroy(),
  };
}

const fullMessage = 'Task queue is at limit';
