/** Errors in the shape that OpenAI's API gives them. */

export type ModelError = {
  status: number;
  message: string;
  type: string;
  param: string | null;
  code: string | null;
};

export const modelErrors = {
  rate_limit: {
    status: 429,
    message: 'Rate limit reached for requests. Please try again later.',
    type: 'requests',
    param: null,
    code: 'rate_limit_exceeded',
  },
  server_error: {
    status: 500,
    message: 'The server had an error while processing your request. Sorry about that!',
    type: 'server_error',
    param: null,
    code: null,
  },
  unavailable: {
    status: 503,
    message: 'The engine is currently overloaded, please try again later.',
    type: 'server_error',
    param: null,
    code: 'service_unavailable',
  },
  unauthorized: {
    status: 401,
    message: 'Incorrect API key provided.',
    type: 'invalid_request_error',
    param: null,
    code: 'invalid_api_key',
  },
  context_length: {
    status: 400,
    message: "This model's maximum context length is exceeded. Please reduce the length of the messages.",
    type: 'invalid_request_error',
    param: 'messages',
    code: 'context_length_exceeded',
  },
  too_large: {
    status: 413,
    message: 'The request body is larger than 4 MB.',
    type: 'invalid_request_error',
    param: null,
    code: 'request_too_large',
  },
  bad_request: badRequest(null, 'The request is not valid.'),
} as const satisfies Record<string, ModelError>;

/** A 400 that names the parameter at fault. */
export function badRequest(param: string | null, message: string): ModelError {
  return { status: 400, message, type: 'invalid_request_error', param, code: null };
}

/** The body of an error answer. */
export function errorBody({ message, type, param, code }: ModelError): { error: Omit<ModelError, 'status'> } {
  return { error: { message, type, param, code } };
}
