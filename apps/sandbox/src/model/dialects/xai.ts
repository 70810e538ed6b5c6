/** xAI: reasoning tokens are counted beside the completion and in the total; errors are two strings. */
// Usage: docs.x.ai/docs/key-information/consumption-and-rate-limits, with numbers in vercel/ai#12425 and
// UKGovernmentBEIS/inspect_ai#5528; a wrong key's 400 and the two kinds of 403 as xAI's clients quote them.
import { type Dialect, error, plainMessage } from './dialect.ts';

const invalid = 'invalid-argument';
const denied = 'permission-denied';
const tooMany = 'Too many requests for team sandbox and model {model}. Requests per Second (actual/limit): 2/2.';
const wrongKey = 'Incorrect API key provided: xa***. You can obtain an API key from https://console.x.ai.';
const noCredits =
  "Your newly created team doesn't have any credits or licenses yet. You can purchase those on https://console.x.ai.";
const noModel = 'The model {model} does not exist or your team does not have access to it.';
const tooLong = "This model's maximum prompt length is {limit} but the request contains {input} tokens.";
const unsafe = 'Content violates usage guidelines. Model: {model}, Failed check: SAFETY_CHECK_TYPE_BIO';

export const xai: Dialect = {
  name: 'xai',
  basePath: '/xai/v1',
  limitFields: ['max_completion_tokens', 'max_tokens'],
  contextTokens: 131_072,
  requestIdHeader: 'x-request-id',
  envelope: { system_fingerprint: 'fp_sandbox' },
  writeChoice: (said) => ({ message: { ...plainMessage(said), refusal: null } }),
  writeUsage: ({ prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, total_tokens }) => ({
    prompt_tokens,
    completion_tokens: completion_tokens - reasoning_tokens,
    total_tokens,
    prompt_tokens_details: { text_tokens: prompt_tokens, audio_tokens: 0, image_tokens: 0, cached_tokens },
    completion_tokens_details: { reasoning_tokens, audio_tokens: 0 },
    num_sources_used: 0,
  }),
  errors: {
    rate_limit: error(429, 'resource-exhausted', tooMany),
    server_error: error(500, 'internal', 'Internal error.'),
    unavailable: error(503, 'unavailable', 'The model is at capacity. Please try again later.'),
    bad_request: error(400, invalid, 'The request is not valid.'),
    unauthorized: error(400, invalid, wrongKey),
    unpaid: error(403, denied, noCredits),
    forbidden: error(403, denied, 'The API key is not allowed to use the model {model}.'),
    unknown_model: error(404, 'not-found', noModel),
    context_length: error(400, invalid, tooLong),
    too_large: error(413, invalid, 'The request body is larger than 4 MB.'),
  },
  contentRefused: { error: error(403, denied, unsafe) },
  writeError: ({ type, message }) => ({ code: type, error: message }),
};
