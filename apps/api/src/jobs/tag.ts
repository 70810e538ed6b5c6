/** Fingerprints of a job's state, for conditional requests and event ids. */
import { hash } from 'node:crypto';
import type { JobState } from '@tally/db';
import { toJob } from '../schemas.ts';

/**
 * Fingerprint of everything {@link toJob} shows. A result is written once, together with status and end time, so its
 * presence stands for its value.
 */
export function tagOf(state: JobState): string {
  const shown = JSON.stringify([toJob({ ...state, result: null }), state.hasResult]);
  return hash('sha256', shown, 'base64url').slice(0, 22);
}

/** The tag as an `ETag` (RFC 9110, 8.8.3): weak, since it identifies the state and not the bytes. */
export const toEtag = (tag: string): string => `W/"${tag}"`;

/** Whether an `If-None-Match` (RFC 9110, 13.1.2) matches the tag. */
export function matchesTag(tag: string, ifNoneMatch: string): boolean {
  return ifNoneMatch.split(',').some((one) => ['*', `"${tag}"`, toEtag(tag)].includes(one.trim()));
}
