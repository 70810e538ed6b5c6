/** OpenAI: the counts include reasoning and cached input; reasoning models accept `max_completion_tokens` only. */
// Usage and errors: platform.openai.com/docs/api-reference/chat and /docs/guides/error-codes;
// the two limit fields: langchain-ai/langgraph#5943.
import { type Dialect, type ModelError, writeOpenAiError } from './dialect.ts';

const invalid = 'invalid_request_error';

const invalidLimit = (message: string, code: string): ModelError => ({
  status: 400,
  message,
  type: invalid,
  param: 'max_tokens',
  code,
});

export const openai: Dialect = {
  name: 'openai',
  basePath: '/v1',
  limitFields: ['max_completion_tokens', 'max_tokens'],
  contextTokens: 128_000,
  requestIdHeader: 'x-request-id',
  hasReasoningInContent: false,
  fencesJson: false,
  // Of its other models, too, OpenAI refuses both; here a client that does not know what it talks to gets on with them.
  refusals: [
    {
      if: ({ max_tokens, max_completion_tokens }, isReasoningModel) =>
        isReasoningModel && max_tokens != null && max_completion_tokens != null,
      error: invalidLimit(
        "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        'invalid_parameter_combination',
      ),
    },
    {
      if: ({ max_tokens }, isReasoningModel) => isReasoningModel && max_tokens != null,
      error: invalidLimit(
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        'unsupported_parameter',
      ),
    },
  ],
  envelope: { service_tier: 'default', system_fingerprint: 'fp_sandbox' },
  writeChoice: ({ content, refusal }) => ({ message: { role: 'assistant', content, refusal }, logprobs: null }),
  writeUsage: ({ promptTokens, cachedTokens, completionTokens, reasoningTokens }) => ({
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    completion_tokens_details: { reasoning_tokens: reasoningTokens },
  }),
  errors: {
    rate_limit: {
      status: 429,
      message: 'Rate limit reached for requests. Please try again later.',
      type: 'requests',
      code: 'rate_limit_exceeded',
    },
    server_error: {
      status: 500,
      message: 'The server had an error while processing your request. Sorry about that!',
      type: 'server_error',
    },
    unavailable: {
      status: 503,
      message: 'The engine is currently overloaded, please try again later.',
      type: 'server_error',
      code: 'service_unavailable',
    },
    bad_request: { status: 400, message: 'The request is not valid.', type: invalid },
    unauthorized: { status: 401, message: 'Incorrect API key provided.', type: invalid, code: 'invalid_api_key' },
    unpaid: {
      status: 429,
      message: 'You exceeded your current quota, please check your plan and billing details.',
      type: 'insufficient_quota',
      code: 'insufficient_quota',
    },
    forbidden: {
      status: 403,
      message: 'Project `proj_sandbox` does not have access to model `{model}`',
      type: invalid,
      code: 'model_not_found',
    },
    unknown_model: {
      status: 404,
      message: 'The model `{model}` does not exist or you do not have access to it.',
      type: invalid,
      code: 'model_not_found',
    },
    context_length: {
      status: 400,
      message:
        "This model's maximum context length is {limit} tokens. However, your messages resulted in {input} tokens. Please reduce the length of the messages.",
      type: invalid,
      param: 'messages',
      code: 'context_length_exceeded',
    },
    too_large: {
      status: 413,
      message: 'The request body is larger than 4 MB.',
      type: invalid,
      code: 'request_too_large',
    },
  },
  contentRefused: {
    error: {
      status: 400,
      message:
        'Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt.',
      type: invalid,
      code: 'invalid_prompt',
    },
  },
  writeError: writeOpenAiError,
};
