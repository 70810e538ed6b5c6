/** Zod schema for submitted text whose length limit also holds after NFKC normalization. */
import { z } from 'zod';

/**
 * A trimmed text of 1 to `max` characters (UTF-16 units). The limit also applies to its NFKC form, which is used for
 * search and comparison: NFKC can expand one character to eighteen.
 */
export const boundedText = (max: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(max)
    .refine((text) => text.length > max || text.normalize('NFKC').length <= max, {
      message: `Too big: expected string to have <=${max} characters in its NFKC form`,
    });
