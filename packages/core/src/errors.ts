/** The error class and the list of error codes that all parts of Tally use. */

/** Reasons why an account may not use AI; each is HTTP 402. */
export const accessRefusals = [
  'no_tokens_remaining',
  'subscription_expired',
  'subscription_inactive',
  'no_subscription',
] as const;
export type AccessRefusal = (typeof accessRefusals)[number];

type CodeTraits = {
  /** HTTP status where a request ends with this code. A job's code never reaches HTTP as a status. */
  status: number;
  /** True where the same attempt may succeed later. */
  retryable: boolean;
};

/** Every error code, its HTTP status, and whether a retry can succeed. */
export const errorCodes = {
  no_tokens_remaining: { status: 402, retryable: false },
  subscription_expired: { status: 402, retryable: false },
  subscription_inactive: { status: 402, retryable: false },
  no_subscription: { status: 402, retryable: false },
  invalid_input: { status: 400, retryable: false },
  unauthenticated: { status: 401, retryable: false },
  forbidden: { status: 403, retryable: false },
  /** Changes of access require a login of the last hour; an API key is not accepted. */
  login_required: { status: 403, retryable: false },
  /** The password was correct; a second-factor code is required as well. */
  second_factor_required: { status: 401, retryable: false },
  not_found: { status: 404, retryable: false },
  method_not_allowed: { status: 405, retryable: false },
  idempotency_conflict: { status: 409, retryable: false },
  conflict: { status: 409, retryable: false },
  payload_too_large: { status: 413, retryable: false },
  /** The account has used its plan's storage. */
  storage_full: { status: 413, retryable: false },
  rate_limited: { status: 429, retryable: true },
  unavailable: { status: 503, retryable: true },
  internal: { status: 500, retryable: false },
  model_refused: { status: 500, retryable: false },
  model_output_invalid: { status: 500, retryable: true },
  /** The model server rejected the request as invalid: a fault of Tally. */
  model_request_rejected: { status: 500, retryable: false },
  model_unavailable: { status: 500, retryable: true },
  timeout: { status: 500, retryable: true },
  cancelled: { status: 409, retryable: false },
  poisoned: { status: 500, retryable: false },
  blocked: { status: 500, retryable: false },
  page_not_found: { status: 500, retryable: false },
  too_large: { status: 500, retryable: false },
  address_refused: { status: 400, retryable: false },
  reply_window_closed: { status: 500, retryable: false },
  account_paused: { status: 500, retryable: false },
  send_uncertain: { status: 500, retryable: false },
} as const satisfies Record<string, CodeTraits>;

export type ErrorCode = keyof typeof errorCodes;

/** Whether `code` is one of {@link accessRefusals}. */
export function isAccessRefusal(code: string): code is AccessRefusal {
  return (accessRefusals as readonly string[]).includes(code);
}

/** An error whose message may be shown to the client. Any other error is shown as fixed text. */
export class TallyError extends Error {
  readonly code: ErrorCode;
  /** Extra JSON for the client: validation issues, the balance of a 402. */
  readonly details: unknown;
  readonly #isFinal: boolean;
  /** Time from now until a retry makes sense. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      details?: unknown;
      retryAfterMs?: number | undefined;
      /** True where a retry can't succeed although the code is retryable in general. */
      isFinal?: boolean;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TallyError';
    this.code = code;
    this.details = options.details;
    this.retryAfterMs = options.retryAfterMs;
    this.#isFinal = options.isFinal ?? false;
  }

  get status(): number {
    return errorCodes[this.code].status;
  }

  get retryable(): boolean {
    return errorCodes[this.code].retryable && !this.#isFinal;
  }
}
