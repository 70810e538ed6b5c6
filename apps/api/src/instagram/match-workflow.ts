/** Which workflow a comment is for. */
import type { MatchableWorkflow } from '@tally/db';
import { normalise } from '@tally/db/search-terms';

export type CommentText = { text: string; mediaIds: string[] };

/** Returns what finds a comment's workflow among these; built once for all comments of a body. */
export function createMatcher(workflows: MatchableWorkflow[]): (comment: CommentText) => MatchableWorkflow | undefined {
  const keywords = toTrie(workflows);
  return (comment) => {
    const said = findKeywords(keywords, normalise(comment.text).slice(0, maxCharacters));
    const fitting = workflows.filter(
      (workflow) =>
        (workflow.mediaIds.length === 0 || workflow.mediaIds.some((id) => comment.mediaIds.includes(id))) &&
        (workflow.keywords.length === 0 || said.has(workflow)),
    );
    // One for this post before one for all, one for this word before one for all; of equals the oldest.
    const weight = ({ keywords, mediaIds }: MatchableWorkflow) =>
      (mediaIds.length > 0 ? 2 : 0) + (keywords.length > 0 ? 1 : 0);
    return fitting.toSorted((a, b) => weight(b) - weight(a))[0];
  };
}

// Instagram takes 2,200; letters may become more when they are normalised.
const maxCharacters = 5_000;
// "prices" says price, and «قیمتش» says قیمت; "priceless" doesn't. Of very short words an ending makes others.
const maxEnding = 3;
const inflectedLetters = 4;

/** Keywords letter by letter, so that a text is read once however many there are. */
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

/** The workflows of which a keyword stands in the text as words, with a short ending at most. */
function findKeywords(keywords: Trie, text: string): Set<MatchableWorkflow> {
  const said = new Set<MatchableWorkflow>();
  const found = new Set<Trie>();
  const letters = [...text];
  const kinds = letters.map(kindOf);
  const endings = endingsIn(kinds);
  // Scripts without spaces have no words to end.
  const joins = (at: number) => kinds[at - 1] === 'spaced' && kinds[at] === 'spaced';
  for (let start = 0; start < letters.length; start++) {
    if (joins(start)) continue;
    let node = keywords.next.get(letters[start] as string);
    for (let end = start + 1; node !== undefined; end++) {
      const allowedEnding = end - start >= inflectedLetters ? maxEnding : 0;
      const isWord = node.workflows.length > 0 && (!joins(end) || (endings[end] ?? 0) <= allowedEnding);
      if (isWord && !found.has(node)) {
        found.add(node);
        for (const workflow of node.workflows) said.add(workflow);
      }
      node = end < letters.length ? node.next.get(letters[end] as string) : undefined;
    }
  }
  return said;
}

const wordLetter = /[\p{L}\p{N}\p{M}]/u;
const unspacedLetter =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]/u;

type Kind = 'spaced' | 'unspaced' | 'none';

function kindOf(letter: string): Kind {
  if (!wordLetter.test(letter)) return 'none';
  return unspacedLetter.test(letter) ? 'unspaced' : 'spaced';
}

/** For each place, how many letters follow until the word ends. */
function endingsIn(kinds: Kind[]): number[] {
  const endings = new Array<number>(kinds.length + 1).fill(0);
  for (let i = kinds.length - 1; i >= 0; i--) endings[i] = kinds[i] === 'none' ? 0 : (endings[i + 1] as number) + 1;
  return endings;
}
