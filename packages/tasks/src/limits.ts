/** How long the texts may be that people send to tasks. */
export const maxQuestionCharacters = 8_000;
