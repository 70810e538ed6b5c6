/** OpenAI: the counts include reasoning and cached input; reasoning models accept `max_completion_tokens` only. */
// Usage and errors: platform.openai.com/docs/api-reference/chat and /docs/guides/error-codes;
// the two limit fields: langchain-ai/langgraph#5943.
import { type Dialect, error, plainUsage, writeOpenAiError } from './dialect.ts';

const invalid = 'invalid_request_error';
const twoLimits = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.";
const oldLimit =
  "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
const overloaded = 'The engine is currently overloaded, please try again later.';
const overQuota = 'You exceeded your current quota, please check your plan and billing details.';
const noAccess = 'Project `proj_sandbox` does not have access to model `{model}`';
const noModel = 'The model `{model}` does not exist or you do not have access to it.';
const tooLong = "This model's maximum context length is {limit} tokens. Your messages resulted in {input} tokens.";
const flagged = 'Invalid prompt: your prompt was flagged as potentially violating our usage policy.';

export const openai: Dialect = {
  name: 'openai',
  basePath: '/v1',
  limitFields: ['max_completion_tokens', 'max_tokens'],
  contextTokens: 128_000,
  requestIdHeader: 'x-request-id',
  // Of its other models, too, OpenAI refuses both; here a client that does not know what it talks to gets on with them.
  refusals: [
    {
      if: ({ max_tokens, max_completion_tokens }, isReasoningModel) =>
        isReasoningModel && max_tokens != null && max_completion_tokens != null,
      error: error(400, invalid, twoLimits, 'invalid_parameter_combination', 'max_tokens'),
    },
    {
      if: ({ max_tokens }, isReasoningModel) => isReasoningModel && max_tokens != null,
      error: error(400, invalid, oldLimit, 'unsupported_parameter', 'max_tokens'),
    },
  ],
  envelope: { service_tier: 'default', system_fingerprint: 'fp_sandbox' },
  writeChoice: ({ content, refusal }) => ({ message: { role: 'assistant', content, refusal }, logprobs: null }),
  writeUsage: (usage) => ({
    ...plainUsage(usage),
    prompt_tokens_details: { cached_tokens: usage.cached_tokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoning_tokens },
  }),
  errors: {
    rate_limit: error(
      429,
      'requests',
      'Rate limit reached for requests. Please try again later.',
      'rate_limit_exceeded',
    ),
    server_error: error(
      500,
      'server_error',
      'The server had an error while processing your request. Sorry about that!',
    ),
    unavailable: error(503, 'server_error', overloaded, 'service_unavailable'),
    bad_request: error(400, invalid, 'The request is not valid.'),
    unauthorized: error(401, invalid, 'Incorrect API key provided.', 'invalid_api_key'),
    unpaid: error(429, 'insufficient_quota', overQuota, 'insufficient_quota'),
    forbidden: error(403, invalid, noAccess, 'model_not_found'),
    unknown_model: error(404, invalid, noModel, 'model_not_found'),
    context_length: error(400, invalid, tooLong, 'context_length_exceeded', 'messages'),
    too_large: error(413, invalid, 'The request body is larger than 4 MB.', 'request_too_large'),
  },
  contentRefused: { error: error(400, invalid, flagged, 'invalid_prompt') },
  writeError: writeOpenAiError,
};
