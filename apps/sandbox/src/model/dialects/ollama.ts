/** Ollama: obeys `max_tokens` only, reports no details of usage, and has reasoning in the content. */
// The request's and answer's fields and the errors' types: ollama/ollama, openai/openai.go;
// max_completion_tokens: ollama/ollama#14464; a full queue: server/sched.go.
import { type Dialect, error, plainMessage, plainUsage, writeOpenAiError } from './dialect.ts';

const other = 'api_error';
const invalid = 'invalid_request_error';
const upgrade = 'this model requires a subscription, upgrade for access: https://ollama.com/upgrade';

export const ollama: Dialect = {
  name: 'ollama',
  basePath: '/ollama/v1',
  limitFields: ['max_tokens'],
  contextTokens: 131_072,
  hasReasoningInContent: true,
  envelope: { system_fingerprint: 'fp_ollama' },
  writeChoice: (said) => ({ message: plainMessage(said) }),
  writeUsage: plainUsage,
  errors: {
    rate_limit: error(503, other, 'server busy, please try again.  maximum pending requests exceeded'),
    server_error: error(500, other, 'llama runner process has terminated: exit status 2'),
    unavailable: error(503, other, 'model is loading'),
    bad_request: error(400, invalid, 'the request is not valid'),
    unauthorized: error(401, other, 'unauthorized'),
    unpaid: error(403, other, upgrade),
    forbidden: error(403, other, 'access denied'),
    unknown_model: error(404, 'not_found_error', 'model "{model}" not found, try pulling it first'),
    context_length: error(400, invalid, 'the input length exceeds the context length'),
    too_large: error(413, other, 'http: request body too large'),
  },
  contentRefused: 'in_text',
  writeError: writeOpenAiError,
};
