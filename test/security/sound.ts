/** The assertion for every answer to an attack. */
import type { Answer } from '@tally/testing';
import { expect } from 'vitest';

const internals =
  /node_modules|\.[jt]s:\d+|\bselect .* from\b|\binsert into\b|relation "|syntax error at|violates|\bat \w+ \(|\/home\/|\/tmp\//i;

/** Expects no 5xx and, for an error, the error envelope without SQL, file paths or stack traces. */
export function expectSound(answer: Answer, what: string): Answer {
  expect(answer.status, `${what}: ${answer.text}`).toBeLessThan(500);
  if (answer.status < 400) return answer;
  expect(answer.text, what).not.toMatch(internals);
  expect(answer.body, what).toMatchObject({
    success: false,
    error: expect.any(String),
    error_code: expect.any(String),
    request_id: expect.any(String),
  });
  return answer;
}
