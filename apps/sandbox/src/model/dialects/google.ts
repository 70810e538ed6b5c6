/** Google's OpenAI endpoint: reasoning is counted in the total only, errors are lists, blocked input is a finish reason. */
// Errors in a list: n4ze3m/page-assist#406; reasoning: ai.google.dev/gemini-api/docs/thinking and Portkey-AI/gateway#1458;
// blocked input as a choice without a message: reported by several of its clients.
import { type Dialect, error, plainMessage, plainUsage } from './dialect.ts';

const invalid = 'INVALID_ARGUMENT';
const denied = 'PERMISSION_DENIED';
const noBilling = 'This API method requires billing to be enabled. Please enable billing on project #1.';
const disabled = 'Generative Language API has not been used in project 1 before or it is disabled.';
const noModel = 'models/{model} is not found for API version v1main, or is not supported for generateContent.';
const tooLong = 'The input token count ({input}) exceeds the maximum number of tokens allowed ({limit}).';

export const google: Dialect = {
  name: 'google',
  basePath: '/google/v1',
  limitFields: ['max_completion_tokens', 'max_tokens'],
  contextTokens: 1_048_576,
  writeChoice: (said) => (said.content === null && said.refusal === null ? {} : { message: plainMessage(said) }),
  writeUsage: (usage) => ({
    ...plainUsage(usage),
    completion_tokens: usage.completion_tokens - usage.reasoning_tokens,
  }),
  errors: {
    rate_limit: error(429, 'RESOURCE_EXHAUSTED', 'Resource has been exhausted (e.g. check quota).'),
    server_error: error(500, 'INTERNAL', 'An internal error has occurred. Please retry.'),
    unavailable: error(503, 'UNAVAILABLE', 'The model is overloaded. Please try again later.'),
    bad_request: error(400, invalid, 'Request contains an invalid argument.'),
    unauthorized: error(400, invalid, 'API key not valid. Please pass a valid API key.'),
    unpaid: error(403, denied, noBilling),
    forbidden: error(403, denied, disabled),
    unknown_model: error(404, 'NOT_FOUND', noModel),
    context_length: error(400, invalid, tooLong),
    too_large: error(413, invalid, 'Request payload size exceeds the limit: 4194304 bytes.'),
  },
  contentRefused: { finishReason: 'content_filter: PROHIBITED_CONTENT' },
  writeError: ({ status, message, type }, retryAfterS) => {
    const retry = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${retryAfterS}s` };
    return [{ error: { code: status, message, status: type, ...(retryAfterS !== undefined && { details: [retry] }) } }];
  },
};
