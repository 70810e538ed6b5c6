/** What every answer to an attack must be. */

import type { Answer } from '@tally/testing';
import { expect } from 'vitest';

const insides =
  /node_modules|\.[jt]s:\d+|\bselect .* from\b|\binsert into\b|relation "|syntax error at|violates|\bat \w+ \(|\/home\/|\/tmp\//i;

/** Holds that an answer is no fault of ours, is in the one envelope, and shows nothing of our insides. */
export function expectSound(answer: Answer, what: string): Answer {
  expect(answer.status, `${what}: ${answer.text}`).toBeLessThan(500);
  if (answer.status < 400) return answer;
  expect(answer.text, what).not.toMatch(insides);
  expect(answer.body, what).toMatchObject({
    success: false,
    error: expect.any(String),
    error_code: expect.any(String),
    request_id: expect.any(String),
  });
  return answer;
}
