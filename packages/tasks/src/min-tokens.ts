/** A lower bound of a text's tokens without a tokenizer, for refusing accounts that can't even pay that. */

// Tokenizers of the GPT family first split at words and after every third digit.
const pieces = /[\p{L}\p{M}'’]+|\p{N}{1,3}/gu;

/** Counts words and groups of three digits, in linear time; never more than the text's tokens. */
export const minTokensOf = (text: string): number => text.match(pieces)?.length ?? 0;
