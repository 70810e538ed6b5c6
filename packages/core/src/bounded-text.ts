/** Texts that people send, bounded in every form that they take inside. */
import { z } from 'zod';

/**
 * A text of 1 to `max` characters (UTF-16 units), without white space around it. The limit holds for its NFKC form too, in
 * which it is searched and compared: one letter may become eighteen there.
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
