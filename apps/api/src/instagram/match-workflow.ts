/** Matches comments to workflows by post and keyword. */
import type { MatchableWorkflow } from '@tally/db';
import { normalise } from '@tally/db/search-terms';

export type CommentText = { text: string; mediaIds: string[] };

/** Builds a matcher over an account's workflows, once for all comments of a webhook body. */
export function createMatcher(workflows: MatchableWorkflow[]): (comment: CommentText) => MatchableWorkflow | undefined {
  const keywords = toTrie(workflows);
  return (comment) => {
    const matched = findKeywords(keywords, normalise(comment.text).slice(0, maxCharacters));
    const candidates = workflows.filter(
      (workflow) =>
        (workflow.mediaIds.length === 0 || workflow.mediaIds.some((id) => comment.mediaIds.includes(id))) &&
        (workflow.keywords.length === 0 || matched.has(workflow)),
    );
    // Order: a workflow for this post before one for all posts, then with keywords before without, then the oldest.
    const weight = ({ keywords, mediaIds }: MatchableWorkflow) =>
      (mediaIds.length > 0 ? 2 : 0) + (keywords.length > 0 ? 1 : 0);
    return candidates.toSorted((a, b) => weight(b) - weight(a))[0];
  };
}

// Instagram allows 2,200; normalisation may lengthen a text.
const maxCharacters = 5_000;
// "prices" matches price, and «قیمتش» matches قیمت; "priceless" does not. A suffix turns short words into other words.
const maxSuffixLetters = 3;
const minLettersForSuffix = 4;

/** Keywords letter by letter, so that the cost of a text does not grow with the number of keywords. */
type Trie = { next: Map<string, Trie>; workflows: MatchableWorkflow[] };

function toTrie(workflows: MatchableWorkflow[]): Trie {
  const newNode = (): Trie => ({ next: new Map(), workflows: [] });
  const root = newNode();
  for (const workflow of workflows)
    for (const keyword of workflow.keywords) {
      let node = root;
      for (const letter of keyword) {
        const next = node.next.get(letter) ?? newNode();
        node.next.set(letter, next);
        node = next;
      }
      if (node !== root) node.workflows.push(workflow);
    }
  return root;
}

/** The workflows with a keyword that occurs in the text as whole words, with at most a short suffix. */
function findKeywords(keywords: Trie, text: string): Set<MatchableWorkflow> {
  const matched = new Set<MatchableWorkflow>();
  const found = new Set<Trie>();
  const letters = [...text];
  const kinds = letters.map(kindOf);
  const lettersLeft = countLettersLeft(kinds);
  // In scripts without spaces, words have no visible boundaries.
  const isInsideWord = (at: number) => kinds[at - 1] === 'spaced' && kinds[at] === 'spaced';
  for (let start = 0; start < letters.length; start++) {
    if (isInsideWord(start)) continue;
    let node = keywords.next.get(letters[start] as string);
    for (let end = start + 1; node !== undefined; end++) {
      const allowedSuffix = end - start >= minLettersForSuffix ? maxSuffixLetters : 0;
      const isWord = node.workflows.length > 0 && (!isInsideWord(end) || (lettersLeft[end] ?? 0) <= allowedSuffix);
      if (isWord && !found.has(node)) {
        found.add(node);
        for (const workflow of node.workflows) matched.add(workflow);
      }
      node = end < letters.length ? node.next.get(letters[end] as string) : undefined;
    }
  }
  return matched;
}

const wordLetter = /[\p{L}\p{N}\p{M}]/u;
const unspacedLetter =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]/u;

type Kind = 'spaced' | 'unspaced' | 'none';

function kindOf(letter: string): Kind {
  if (!wordLetter.test(letter)) return 'none';
  return unspacedLetter.test(letter) ? 'unspaced' : 'spaced';
}

/** For each position, the number of letters until the end of the word. */
function countLettersLeft(kinds: Kind[]): number[] {
  const lettersLeft = new Array<number>(kinds.length + 1).fill(0);
  for (let i = kinds.length - 1; i >= 0; i--)
    lettersLeft[i] = kinds[i] === 'none' ? 0 : (lettersLeft[i + 1] as number) + 1;
  return lettersLeft;
}
