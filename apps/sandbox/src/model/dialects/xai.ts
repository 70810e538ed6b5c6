/** xAI: reasoning tokens are counted beside the completion and in the total; errors are two strings. */
// Usage: docs.x.ai/docs/key-information/consumption-and-rate-limits, with numbers in vercel/ai#12425 and
// UKGovernmentBEIS/inspect_ai#5528; a wrong key's 400 and the two kinds of 403 as xAI's clients quote them.
import { type Dialect, plainMessage } from './dialect.ts';

const invalid = 'invalid-argument';
const denied = 'permission-denied';

export const xai: Dialect = {
  name: 'xai',
  basePath: '/xai/v1',
  limitFields: ['max_completion_tokens', 'max_tokens'],
  contextTokens: 131_072,
  requestIdHeader: 'x-request-id',
  hasReasoningInContent: false,
  fencesJson: false,
  refusals: [],
  envelope: { system_fingerprint: 'fp_sandbox' },
  writeChoice: (said) => ({ message: { ...plainMessage(said), refusal: null } }),
  writeUsage: ({ promptTokens, cachedTokens, completionTokens, reasoningTokens }) => ({
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens - reasoningTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { text_tokens: promptTokens, audio_tokens: 0, image_tokens: 0, cached_tokens: cachedTokens },
    completion_tokens_details: { reasoning_tokens: reasoningTokens, audio_tokens: 0 },
    num_sources_used: 0,
  }),
  errors: {
    rate_limit: {
      status: 429,
      message: 'Too many requests for team sandbox and model {model}. Requests per Second (actual/limit): 2/2.',
      type: 'resource-exhausted',
    },
    server_error: { status: 500, message: 'Internal error.', type: 'internal' },
    unavailable: { status: 503, message: 'The model is at capacity. Please try again later.', type: 'unavailable' },
    bad_request: { status: 400, message: 'The request is not valid.', type: invalid },
    unauthorized: {
      status: 400,
      message: 'Incorrect API key provided: xa***. You can obtain an API key from https://console.x.ai.',
      type: invalid,
    },
    unpaid: {
      status: 403,
      message:
        "Your newly created team doesn't have any credits or licenses yet. You can purchase those on https://console.x.ai.",
      type: denied,
    },
    forbidden: { status: 403, message: 'The API key is not allowed to use the model {model}.', type: denied },
    unknown_model: {
      status: 404,
      message: 'The model {model} does not exist or your team does not have access to it.',
      type: 'not-found',
    },
    context_length: {
      status: 400,
      message: "This model's maximum prompt length is {limit} but the request contains {input} tokens.",
      type: invalid,
    },
    too_large: { status: 413, message: 'The request body is larger than 4 MB.', type: invalid },
  },
  contentRefused: {
    error: {
      status: 403,
      message: 'Content violates usage guidelines. Model: {model}, Failed check: SAFETY_CHECK_TYPE_BIO',
      type: denied,
    },
  },
  writeError: ({ type, message }) => ({ code: type, error: message }),
};
