/** Google's OpenAI endpoint: reasoning is counted in the total only, errors are lists, blocked input is a finish reason. */
// Errors in a list: n4ze3m/page-assist#406; reasoning: ai.google.dev/gemini-api/docs/thinking and Portkey-AI/gateway#1458;
// blocked input as a choice without a message: reported by several of its clients.
import { type Dialect, plainMessage } from './dialect.ts';

const invalid = 'INVALID_ARGUMENT';
const exhausted = 'RESOURCE_EXHAUSTED';
const denied = 'PERMISSION_DENIED';

export const google: Dialect = {
  name: 'google',
  basePath: '/google/v1',
  limitFields: ['max_completion_tokens', 'max_tokens'],
  contextTokens: 1_048_576,
  requestIdHeader: undefined,
  hasReasoningInContent: false,
  fencesJson: false,
  refusals: [],
  envelope: {},
  writeChoice: (said) => (said.content === null && said.refusal === null ? {} : { message: plainMessage(said) }),
  writeUsage: ({ promptTokens, completionTokens, reasoningTokens }) => ({
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens - reasoningTokens,
    total_tokens: promptTokens + completionTokens,
  }),
  errors: {
    rate_limit: { status: 429, message: 'Resource has been exhausted (e.g. check quota).', type: exhausted },
    server_error: { status: 500, message: 'An internal error has occurred. Please retry.', type: 'INTERNAL' },
    unavailable: { status: 503, message: 'The model is overloaded. Please try again later.', type: 'UNAVAILABLE' },
    bad_request: { status: 400, message: 'Request contains an invalid argument.', type: invalid },
    unauthorized: { status: 400, message: 'API key not valid. Please pass a valid API key.', type: invalid },
    unpaid: {
      status: 403,
      message: 'This API method requires billing to be enabled. Please enable billing on project #1.',
      type: denied,
    },
    forbidden: {
      status: 403,
      message: 'Generative Language API has not been used in project 1 before or it is disabled.',
      type: denied,
    },
    unknown_model: {
      status: 404,
      message: 'models/{model} is not found for API version v1main, or is not supported for generateContent.',
      type: 'NOT_FOUND',
    },
    context_length: {
      status: 400,
      message: 'The input token count ({input}) exceeds the maximum number of tokens allowed ({limit}).',
      type: invalid,
    },
    too_large: { status: 413, message: 'Request payload size exceeds the limit: 4194304 bytes.', type: invalid },
  },
  contentRefused: { finishReason: 'content_filter: PROHIBITED_CONTENT' },
  writeError: ({ status, message, type }, retryAfterS) => [
    {
      error: {
        code: status,
        message,
        status: type,
        ...(retryAfterS !== undefined && {
          details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${retryAfterS}s` }],
        }),
      },
    },
  ],
};
