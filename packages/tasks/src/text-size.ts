/** Limits of submitted texts in characters (UTF-16 units), and a lower bound of their tokens. */
export const maxQuestionCharacters = 8_000;
export const maxSourceCharacters = 100_000;
export const maxCustomerCharacters = 200;

// Tokenizers of the GPT family first split at words and after every third digit.
const pieces = /[\p{L}\p{M}'’]+|\p{N}{1,3}/gu;

/**
 * Counts words and groups of three digits, in linear time; never more than the text's tokens. It needs no tokenizer, and
 * refuses accounts that can't even pay that.
 */
export const minTokensOf = (text: string): number => text.match(pieces)?.length ?? 0;
