/** A job's state in a word, for clients that want to hear of it only when it has changed. */
import { hash } from 'node:crypto';
import type { JobState } from '@tally/db';
import { toJob } from '../schemas.ts';

/**
 * A fingerprint of all that {@link toJob} shows of a job. A result is written once, with the status and the moment of the
 * end, so that whether it is there stands for what it is.
 */
export function tagOf(state: JobState): string {
  const shown = JSON.stringify([toJob({ ...state, result: null }), state.hasResult]);
  return hash('sha256', shown, 'base64url').slice(0, 22);
}

/** The tag as an `ETag` (RFC 9110, 8.8.3): weak, for it speaks of the state and not of the bytes. */
export const toEtag = (tag: string): string => `W/"${tag}"`;

/** Whether an `If-None-Match` (RFC 9110, 13.1.2) names the tag. */
export function isNamed(tag: string, ifNoneMatch: string): boolean {
  return ifNoneMatch.split(',').some((one) => ['*', `"${tag}"`, toEtag(tag)].includes(one.trim()));
}
