/** What a provider's refusal means, and whose fault it is: one table, from the forms that servers really send. */

export type FaultKind =
  /** Not now: the attempt is given back, and calls are paced. */
  | 'rate_limited'
  /** The operator's account, key or settings: jobs wait until it is mended. */
  | 'operator'
  /** An error of the provider's that passes. */
  | 'unavailable'
  /** The input is longer than the model takes. */
  | 'too_large'
  /** The provider will not answer this content. */
  | 'refused'
  /** It knows no `json_schema`, or not the field for the cap: sent again in another form. */
  | 'unknown_format'
  | 'unknown_cap'
  /** It does not understand the request: our fault. */
  | 'rejected';

/** What is told apart in an error; texts in lower case, empty where there are none. */
export type ProviderError = { status: number | undefined; code: string; type: string; param: string; message: string };

type Rule = { kind: FaultKind; status?: number[]; code?: RegExp; message?: RegExp };

// Codes that can only mean the operator's own account, key or model.
const operatorCodes =
  /^(?:insufficient_quota|exceeded_current_quota|billing_|invalid_api_key|account_|model_not_found|access_terminated|insufficient_(?:balance|funds)|invalid_organization)/;

/** Whether such an error may concern this one request: a firewall's 403, a 402 or 404 for what this one would need. */
export const mayBeTheRequests = ({ status, code }: { status: number | undefined; code: string | undefined }): boolean =>
  [402, 403, 404].includes(status ?? 0) && !operatorCodes.test(code ?? '');

// The first rule that fits counts: what a request is told about itself, before what its status says.
const rules: readonly Rule[] = [
  // "This response_format type is unavailable now" (DeepSeek); "response_format: extra inputs are not permitted" (vLLM).
  {
    kind: 'unknown_format',
    status: [400, 404, 415, 422, 500, 501],
    message:
      /(?:response_format|json_schema|structured output).*(?:unavailable|not supported|unsupported|does not support|unknown|invalid|not permitted|must be)|(?:unsupported|unavailable|unknown|does not support).*(?:response.format|json_schema)/,
  },
  // OpenAI's reasoning models know no max_tokens, and others not both at once.
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
  // vLLM, llama.cpp, Ollama, Google, Mistral; a 429 for one request that is beyond the limit of a minute never passes.
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
  // Whole texts alone: this closes the gate for everybody, and an error may quote what a tenant wrote.
  {
    kind: 'operator',
    status: [400, 422, 429],
    message:
      /^ ?"?(?:insufficient (?:balance|funds|credit|quota)|your (?:credit balance|account)|(?:the )?(?:incorrect |invalid )?api.?key (?:provided|not valid|is)|incorrect api key|billing (?:hard|not|is)|(?:the )?model (?:[\w./:'"`-]{1,100} )?(?:does not exist|not exist|not found))/,
  },
  { kind: 'operator', status: [401, 402, 403, 404] },
  { kind: 'rate_limited', status: [429, 498, 529] },
  // Overload is no outage: it answers others, and these a little later. Ollama, Google and DeepSeek say so by 503.
  { kind: 'rate_limited', status: [503], message: /busy|overloaded|at capacity|pending requests/ },
  { kind: 'rate_limited', status: [503], code: /overload|capacity|slow_?down/ },
  { kind: 'unavailable', status: [408, 409, 425] },
];

/** Classifies an error that came over HTTP; what has no status came with a 200. */
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
// maximum", "too large for model with 32768 maximum context length". Other numbers there are the request's own.
const limitForms = [
  /(?:context (?:length|window|size)|maximum|limit)[^\d.>]{0,40}(\d{3,9})(?!\d| bytes| characters)/,
  />\s*(\d{3,9})(?!\d)/,
  /(?<!\d)(\d{3,9})(?: tokens)? max/,
];

/** How many tokens the model takes, where a refusal of too long an input says so. */
export function contextLimitOf(message: string): number | undefined {
  const text = message.replace(/(?<=\d),(?=\d{3})/g, '');
  for (const form of limitForms) {
    const digits = form.exec(text)?.[1];
    if (digits !== undefined) return Number(digits);
  }
  return undefined;
}
