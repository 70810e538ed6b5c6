/** Ollama: obeys `max_tokens` only, reports no details of usage, and has reasoning in the content. */
// The request's and answer's fields and the errors' types: ollama/ollama, openai/openai.go;
// max_completion_tokens: ollama/ollama#14464; a full queue: server/sched.go.
import { type Dialect, plainMessage, writeOpenAiError } from './dialect.ts';

const other = 'api_error';
const invalid = 'invalid_request_error';

export const ollama: Dialect = {
  name: 'ollama',
  basePath: '/ollama/v1',
  limitFields: ['max_tokens'],
  contextTokens: 131_072,
  requestIdHeader: undefined,
  hasReasoningInContent: true,
  fencesJson: false,
  refusals: [],
  envelope: { system_fingerprint: 'fp_ollama' },
  writeChoice: (said) => ({ message: plainMessage(said) }),
  writeUsage: ({ promptTokens, completionTokens }) => ({
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  }),
  errors: {
    rate_limit: {
      status: 503,
      message: 'server busy, please try again.  maximum pending requests exceeded',
      type: other,
    },
    server_error: { status: 500, message: 'llama runner process has terminated: exit status 2', type: other },
    unavailable: { status: 503, message: 'model is loading', type: other },
    bad_request: { status: 400, message: 'the request is not valid', type: invalid },
    unauthorized: { status: 401, message: 'unauthorized', type: other },
    unpaid: {
      status: 403,
      message: 'this model requires a subscription, upgrade for access: https://ollama.com/upgrade',
      type: other,
    },
    forbidden: { status: 403, message: 'access denied', type: other },
    unknown_model: { status: 404, message: 'model "{model}" not found, try pulling it first', type: 'not_found_error' },
    context_length: { status: 400, message: 'the input length exceeds the context length', type: invalid },
    too_large: { status: 413, message: 'http: request body too large', type: other },
  },
  contentRefused: 'in_text',
  writeError: writeOpenAiError,
};
