/** Byte-pair merging of very long pieces of text, in n log n steps where the tokenizer's own takes n². */
import ranks from 'gpt-tokenizer/bpeRanks/o200k_base';

/** Ranks below 2¹⁸ and offsets below 2²³ fit into one exact number, ordered by rank, then by place. */
const placeFactor = 2 ** 23;

/**
 * The o200k_base tokens of `piece`, which must be one piece of the encoding's split and below 8 MB. Same answer as
 * `encode`, for which 32,000 repetitions of one letter are 930 ms of work and here 30.
 */
export function mergeLongPiece(piece: string): number[] {
  const bytes = Buffer.from(piece).toString('latin1');
  const { rankOf, longestBytes } = byteRanks();
  const next = Int32Array.from({ length: bytes.length + 1 }, (_, place) => place + 1);
  const previous = Int32Array.from({ length: bytes.length + 1 }, (_, place) => place - 1);
  const pairRank = new Int32Array(bytes.length).fill(-1);
  const heap = createHeap();

  const rankPair = (start: number): void => {
    const middle = next[start] ?? bytes.length;
    const end = middle < bytes.length ? (next[middle] ?? bytes.length) : start;
    const rank = end > start && end - start <= longestBytes ? rankOf.get(bytes.slice(start, end)) : undefined;
    pairRank[start] = rank ?? -1;
    if (rank !== undefined) heap.push(rank * placeFactor + start);
  };

  for (let start = 0; start < bytes.length; start += 1) rankPair(start);
  for (let lowest = heap.pop(); lowest !== undefined; lowest = heap.pop()) {
    const start = lowest % placeFactor;
    // An entry is stale once its pair was merged into another one.
    if (pairRank[start] !== (lowest - start) / placeFactor) continue;
    const middle = next[start] ?? bytes.length;
    const end = next[middle] ?? bytes.length;
    next[start] = end;
    previous[end] = start;
    pairRank[middle] = -1;
    rankPair(start);
    if (start > 0) rankPair(previous[start] ?? 0);
  }

  const tokens: number[] = [];
  for (let start = 0; start < bytes.length; start = next[start] ?? bytes.length)
    tokens.push(rankOf.get(bytes.slice(start, next[start])) ?? 0);
  return tokens;
}

type ByteRanks = { rankOf: Map<string, number>; longestBytes: number };
let built: ByteRanks | undefined;

/** Built at the first use: most processes never meet such a text, and it holds 200,000 entries. */
function byteRanks(): ByteRanks {
  if (built !== undefined) return built;
  const rankOf = new Map<string, number>();
  let longestBytes = 0;
  for (const [rank, token] of ranks.entries()) {
    if (token === undefined) continue;
    const bytes = Buffer.from(typeof token === 'string' ? token : Uint8Array.from(token)).toString('latin1');
    rankOf.set(bytes, rank);
    longestBytes = Math.max(longestBytes, bytes.length);
  }
  built = { rankOf, longestBytes };
  return built;
}

type Heap = { push: (value: number) => void; pop: () => number | undefined };

/** A binary heap of numbers, lowest first. */
function createHeap(): Heap {
  const values: number[] = [];
  const at = (index: number): number => values[index] ?? Number.POSITIVE_INFINITY;
  return {
    push(value) {
      let index = values.push(value) - 1;
      while (index > 0) {
        const parent = (index - 1) >> 1;
        if (at(parent) <= value) break;
        values[index] = at(parent);
        index = parent;
      }
      values[index] = value;
    },
    pop() {
      const lowest = values[0];
      const last = values.pop();
      if (lowest === undefined || last === undefined || values.length === 0) return lowest;
      let index = 0;
      for (let child = 1; child < values.length; child = 2 * index + 1) {
        if (at(child + 1) < at(child)) child += 1;
        if (at(child) >= last) break;
        values[index] = at(child);
        index = child;
      }
      values[index] = last;
      return lowest;
    },
  };
}
