/** Length limits for texts submitted to tasks, in characters (UTF-16 units). */
export const maxQuestionCharacters = 8_000;
export const maxSourceCharacters = 100_000;
export const maxCustomerCharacters = 200;
