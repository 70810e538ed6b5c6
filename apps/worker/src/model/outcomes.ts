/** Translates a failed model call into the error that ends the attempt. */
import { type ErrorCode, TallyError } from '@tally/core';
import type { ModelCallError } from './client.ts';

type Kind = Exclude<ModelCallError['kind'], 'aborted'>;

/** The job's error code and text for each kind of failure; none of these calls is billed. */
const outcomes: Record<Kind, { code: ErrorCode; text: string }> = {
  timeout: { code: 'timeout', text: 'The model did not answer in time' },
  unavailable: { code: 'model_unavailable', text: 'The model is not available' },
  rate_limited: { code: 'model_unavailable', text: 'The model’s provider takes no more calls for the moment' },
  operator: { code: 'model_unavailable', text: 'The model is not available: its operator has been told' },
  malformed: { code: 'model_unavailable', text: 'The model sent no usable answer' },
  too_large: { code: 'too_large', text: 'The input is too long for the model' },
  refused: { code: 'model_refused', text: 'The model’s provider refuses this content' },
  rejected: {
    code: 'model_request_rejected',
    text: 'The model’s provider does not understand the request: its operator has been told',
  },
};

/** The error that ends the attempt; for a too long input it names the tokens. */
export function toTallyError(error: ModelCallError, inputTokens: number): TallyError {
  const { code, text } = outcomes[error.kind as Kind];
  const limitText = error.limitTokens === undefined ? '' : `, and the model takes ${error.limitTokens}`;
  const message = error.kind === 'too_large' ? `${text}: it has ${inputTokens} tokens${limitText}` : text;
  return new TallyError(code, message, { cause: error, retryAfterMs: error.retryAfterMs });
}
