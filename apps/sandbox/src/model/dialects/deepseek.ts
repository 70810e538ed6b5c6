/** DeepSeek: no JSON schemas, some JSON in a code fence, reasoning beside the content, own fields for cached input. */
// api-docs.deepseek.com: /api/create-chat-completion and /quick_start/error_codes; the refused schema:
// UKGovernmentBEIS/inspect_ai#4916; the word "json": browserbase/stagehand#1204.
import { type Dialect, error, plainMessage, plainUsage, writeOpenAiError } from './dialect.ts';

const invalid = 'invalid_request_error';
const noSchema = 'This response_format type is unavailable now';
const noJson = "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'.";
const busy = 'Service is too busy. We advise users to temporarily switch to alternative LLM API service providers.';
const wrongKey = 'Authentication Fails, Your api key: ****-key is invalid';
const tooLong = "This model's maximum context length is {limit} tokens. However, you requested {input} tokens.";

export const deepseek: Dialect = {
  name: 'deepseek',
  basePath: '/deepseek/v1',
  limitFields: ['max_tokens'],
  contextTokens: 131_072,
  requestIdHeader: 'x-ds-trace-id',
  fencesJson: true,
  refusals: [
    {
      if: ({ response_format: format }) => format?.type === 'json_schema',
      error: error(400, invalid, noSchema, invalid),
    },
    {
      if: ({ response_format: format, messages }) =>
        format?.type === 'json_object' && !messages.some(({ content }) => /json/i.test(content)),
      error: error(400, invalid, noJson, invalid),
    },
  ],
  envelope: { system_fingerprint: 'fp_sandbox' },
  writeChoice: (said) => ({
    message: { ...plainMessage(said), ...(said.reasoning !== '' && { reasoning_content: said.reasoning }) },
    logprobs: null,
  }),
  writeUsage: (usage) => ({
    ...plainUsage(usage),
    completion_tokens_details: { reasoning_tokens: usage.reasoning_tokens },
    prompt_cache_hit_tokens: usage.cached_tokens,
    prompt_cache_miss_tokens: usage.prompt_tokens - usage.cached_tokens,
  }),
  errors: {
    rate_limit: error(429, 'rate_limit_reached_error', 'Rate limit reached', invalid),
    server_error: error(500, 'server_error', 'Internal server error'),
    unavailable: error(503, 'service_unavailable_error', busy, invalid),
    bad_request: error(400, invalid, 'The request is not valid.', invalid),
    unauthorized: error(401, 'authentication_error', wrongKey, invalid),
    unpaid: error(402, 'unknown_error', 'Insufficient Balance', invalid),
    forbidden: error(403, 'permission_error', 'Forbidden', invalid),
    unknown_model: error(400, invalid, 'Model Not Exist', invalid),
    context_length: error(400, invalid, tooLong, invalid),
    too_large: error(413, invalid, 'Request body too large', invalid),
  },
  contentRefused: { error: error(400, invalid, 'Content Exists Risk', invalid) },
  writeError: writeOpenAiError,
};
