/** DeepSeek: no JSON schemas, some JSON in a code fence, reasoning beside the content, own fields for cached input. */
// api-docs.deepseek.com: /api/create-chat-completion and /quick_start/error_codes; the refused schema:
// UKGovernmentBEIS/inspect_ai#4916; the word "json": browserbase/stagehand#1204.
import { type Dialect, plainMessage, writeOpenAiError } from './dialect.ts';

const invalid = { type: 'invalid_request_error', code: 'invalid_request_error' };

export const deepseek: Dialect = {
  name: 'deepseek',
  basePath: '/deepseek/v1',
  limitFields: ['max_tokens'],
  contextTokens: 131_072,
  requestIdHeader: 'x-ds-trace-id',
  hasReasoningInContent: false,
  fencesJson: true,
  refusals: [
    {
      if: ({ response_format }) => response_format?.type === 'json_schema',
      error: { status: 400, message: 'This response_format type is unavailable now', ...invalid },
    },
    {
      if: ({ response_format, messages }) =>
        response_format?.type === 'json_object' && !messages.some(({ content }) => /json/i.test(content)),
      error: {
        status: 400,
        message: "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'.",
        ...invalid,
      },
    },
  ],
  envelope: { system_fingerprint: 'fp_sandbox' },
  writeChoice: (said) => ({
    message: { ...plainMessage(said), ...(said.reasoning !== '' && { reasoning_content: said.reasoning }) },
    logprobs: null,
  }),
  writeUsage: ({ promptTokens, cachedTokens, completionTokens, reasoningTokens }) => ({
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    completion_tokens_details: { reasoning_tokens: reasoningTokens },
    prompt_cache_hit_tokens: cachedTokens,
    prompt_cache_miss_tokens: promptTokens - cachedTokens,
  }),
  errors: {
    rate_limit: { status: 429, message: 'Rate limit reached', type: 'rate_limit_reached_error', code: invalid.code },
    server_error: { status: 500, message: 'Internal server error', type: 'server_error' },
    unavailable: {
      status: 503,
      message: 'Service is too busy. We advise users to temporarily switch to alternative LLM API service providers.',
      type: 'service_unavailable_error',
      code: invalid.code,
    },
    bad_request: { status: 400, message: 'The request is not valid.', ...invalid },
    unauthorized: {
      status: 401,
      message: 'Authentication Fails, Your api key: ****-key is invalid',
      type: 'authentication_error',
      code: invalid.code,
    },
    unpaid: { status: 402, message: 'Insufficient Balance', type: 'unknown_error', code: invalid.code },
    forbidden: { status: 403, message: 'Forbidden', type: 'permission_error', code: invalid.code },
    unknown_model: { status: 400, message: 'Model Not Exist', ...invalid },
    context_length: {
      status: 400,
      message:
        "This model's maximum context length is {limit} tokens. However, you requested {input} tokens ({input} in the messages, 0 in the completion). Please reduce the length of the messages or completion.",
      ...invalid,
    },
    too_large: { status: 413, message: 'Request body too large', ...invalid },
  },
  contentRefused: { error: { status: 400, message: 'Content Exists Risk', ...invalid } },
  writeError: writeOpenAiError,
};
