import { expect, it } from 'vitest';
import { toMessages } from '../src/product-qa/prompt.ts';

it('shows the latest 200 questions, 300 characters of each', () => {
  const questions = Array.from({ length: 1_000 }, (_, i) => `Question ${i}? ${'x'.repeat(5_000)}`);
  const text = toMessages('The source.', 3, questions).at(-1)?.content ?? '';
  expect(text.length).toBeLessThan(62_000);
  expect(text).toContain('Question 999?');
  expect(text).not.toContain('Question 799?');
});
