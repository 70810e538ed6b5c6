/** Classifies providers' errors with one table, built from responses that real servers send. */

export type FaultKind =
  /** The provider limits the rate: the attempt is snoozed, and calls are paced. */
  | 'rate_limited'
  /** The operator's account, key or settings are at fault: jobs wait until that is fixed. */
  | 'operator'
  /** A transient error of the provider's. */
  | 'unavailable'
  /** The input exceeds the model's context. */
  | 'too_large'
  /** The provider will not answer this content. */
  | 'refused'
  /** The server does not support `json_schema`, or the cap's field: the request is sent again in another form. */
  | 'unknown_format'
  | 'unknown_cap'
  /** The server does not understand the request: a bug of ours. */
  | 'rejected';

/** The parts of an error that are matched; texts are in lower case, and empty if missing. */
export type ProviderError = { status: number | undefined; code: string; type: string; param: string; message: string };

type Rule = { kind: FaultKind; status?: number[]; code?: RegExp; message?: RegExp };

// Codes that can only mean the operator's own account, key or model.
const operatorCodes =
  /^(?:insufficient_quota|exceeded_current_quota|billing_|invalid_api_key|account_|model_not_found|access_terminated|insufficient_(?:balance|funds)|invalid_organization)/;

/** Whether an operator error may be caused by one request: a firewall's 403, or a 402 or 404 for what it needs. */
export const mayBePerRequest = ({ status, code }: { status: number | undefined; code: string | undefined }): boolean =>
  [402, 403, 404].includes(status ?? 0) && !operatorCodes.test(code ?? '');

// The first matching rule wins, so rules about the request come before rules about the status.
const rules: readonly Rule[] = [
  // DeepSeek: "This response_format type is unavailable now"; vLLM: "response_format: extra inputs are not permitted".
  {
    kind: 'unknown_format',
    status: [400, 404, 415, 422, 500, 501],
    message:
      /(?:response_format|json_schema|structured output).*(?:unavailable|not supported|unsupported|does not support|unknown|invalid|not permitted|must be)|(?:unsupported|unavailable|unknown|does not support).*(?:response.format|json_schema)/,
  },
  // OpenAI's reasoning models do not accept max_tokens; other servers reject both fields at once.
  {
    kind: 'unknown_cap',
    status: [400, 422],
    message:
      /max_(?:completion_)?tokens.*(?:not supported|unsupported|instead|same time|not permitted|unrecognized|unknown|forbidden)|(?:unsupported|unrecognized|unknown|unexpected).*max_(?:completion_)?tokens/,
  },
  { kind: 'too_large', status: [413] },
  {
    kind: 'too_large',
    code: /^(?:context_length_exceeded|string_above_max_length|request_too_large|exceed_context_size_error|prompt_too_long|context_window_exceeded)$/,
  },
  // vLLM, llama.cpp, Ollama, Google, Mistral. A 429 for one request larger than the limit per minute is permanent.
  {
    kind: 'too_large',
    status: [400, 422, 429, 500],
    message:
      /context (?:length|window|size)|maximum (?:context|prompt|input|number of tokens)|longer than the maximum|(?:prompt|input|request)[^.]{0,40} (?:is )?too (?:long|large)|too many (?:input )?tokens in|input token count|exceeds? the (?:available )?context/,
  },
  {
    kind: 'refused',
    code: /content_?filter|content_policy|^invalid_prompt$|prohibited_content|^safety$|responsibleai|data_inspection_failed|moderation/,
  },
  {
    kind: 'refused',
    status: [400, 403, 422],
    message:
      /content (?:management|policy|filter)|safety (?:system|check)|flagged|prohibited.?content|usage guidelines|data_inspection|content exists risk/,
  },
  { kind: 'operator', code: operatorCodes },
  // Anchored at the start: a match blocks the gate for all tenants, and an error may quote a tenant's text.
  {
    kind: 'operator',
    status: [400, 422, 429],
    message:
      /^ ?"?(?:insufficient (?:balance|funds|credit|quota)|your (?:credit balance|account)|(?:the )?(?:incorrect |invalid )?api.?key (?:provided|not valid|is)|incorrect api key|billing (?:hard|not|is)|(?:the )?model (?:[\w./:'"`-]{1,100} )?(?:does not exist|not exist|not found))/,
  },
  { kind: 'operator', status: [401, 402, 403, 404] },
  { kind: 'rate_limited', status: [429, 498, 529] },
  // Overload is not an outage: other calls are answered, and these will be later. Sent by Ollama, Google and DeepSeek.
  { kind: 'rate_limited', status: [503], message: /busy|overloaded|at capacity|pending requests/ },
  { kind: 'rate_limited', status: [503], code: /overload|capacity|slow_?down/ },
  { kind: 'unavailable', status: [408, 409, 425] },
];

/** Classifies an HTTP error; an error without a status came in a 200. */
export function faultOf(error: ProviderError): FaultKind {
  const { status, message } = error;
  const codes = [error.code, error.type].filter((code) => code !== '');
  const rule = rules.find(
    (one) =>
      (status === undefined
        ? one.code !== undefined || one.message !== undefined
        : one.status?.includes(status) !== false) &&
      (one.code === undefined || codes.some((code) => one.code?.test(code))) &&
      (one.message === undefined || one.message.test(`${error.param} ${message}`)),
  );
  return rule?.kind ?? (status === undefined || status >= 500 ? 'unavailable' : 'rejected');
}

// "maximum context length is 8192", "exceeds the maximum number of tokens allowed (1048576)", "210000 tokens > 200000
// maximum", "too large for model with 32768 maximum context length". The other numbers are the request's own size.
const limitForms = [
  /(?:context (?:length|window|size)|maximum|limit)[^\d.>]{0,40}(\d{3,9})(?!\d| bytes| characters)/,
  />\s*(\d{3,9})(?!\d)/,
  /(?<!\d)(\d{3,9})(?: tokens)? max/,
];

/** The context limit in tokens, if the provider's error for a too long input names it. */
export function contextLimitOf(message: string): number | undefined {
  const text = message.replace(/(?<=\d),(?=\d{3})/g, '');
  for (const form of limitForms) {
    const digits = form.exec(text)?.[1];
    if (digits !== undefined) return Number(digits);
  }
  return undefined;
}
