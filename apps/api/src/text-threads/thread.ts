/** The functions that the threads of `pool.ts` run. */
import type { MatchableWorkflow } from '@tally/db';
import { type CutPassage, toPassages } from '@tally/db/search-terms';
import { type CommentText, createMatcher } from '../instagram/match-workflow.ts';

export const cut = (text: { title: string; text: string }): CutPassage[] => toPassages(text);

export function match(input: { workflows: MatchableWorkflow[]; comments: CommentText[] }): (string | undefined)[] {
  const find = createMatcher(input.workflows);
  return input.comments.map((comment) => find(comment)?.id);
}
