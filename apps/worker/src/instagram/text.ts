/** Fits a reply into one Instagram message. */
import { storable } from '@tally/core';

/** Meta's limit for a text message, in UTF-8 bytes. */
export const maxMessageBytes = 1_000;

const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });
const ellipsis = '…';

/**
 * Limits a text to 1,000 bytes: a longer one is cut between two graphemes (user-perceived characters), at a space if
 * one is near, and ends with an ellipsis.
 */
export function cutReply(text: string): string {
  const whole = storable(text).trim();
  if (Buffer.byteLength(whole) <= maxMessageBytes) return whole;
  let room = maxMessageBytes - Buffer.byteLength(ellipsis);
  let cut = '';
  for (const { segment } of graphemes.segment(whole)) {
    room -= Buffer.byteLength(segment);
    if (room < 0) break;
    cut += segment;
  }
  const lastSpace = cut.search(/\s\S*$/);
  const atWord = lastSpace > cut.length * 0.9 ? cut.slice(0, lastSpace) : cut;
  return `${atWord.trimEnd()}${ellipsis}`;
}
