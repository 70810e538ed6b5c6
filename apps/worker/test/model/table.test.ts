/** The classification of providers' errors, with texts that real servers send. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextLimitOf, type FaultKind, faultOf } from '../../src/model/faults.ts';
import { readJson, stripReasoning, textOf, wholeSentences } from '../../src/model/reply.ts';

const cases: [FaultKind, number | undefined, { code?: string; type?: string; param?: string; message?: string }][] = [
  ['operator', 401, { code: 'invalid_api_key', message: 'Incorrect API key provided' }],
  ['operator', 402, { message: 'Insufficient Balance' }],
  ['operator', 403, { message: 'Your project does not have access to model gpt-5' }],
  ['operator', 404, { code: 'model_not_found', message: 'The model gpt-9 does not exist' }],
  ['operator', 404, { message: "model 'llama9' not found" }],
  [
    'operator',
    429,
    { code: 'insufficient_quota', type: 'insufficient_quota', message: 'You exceeded your current quota' },
  ],
  ['operator', 400, { message: 'API key not valid. Please pass a valid API key.' }],
  ['operator', 400, { message: 'Model Not Exist' }],
  ['operator', 400, { message: 'Your credit balance is too low to access the API' }],
  ['rate_limited', 429, { code: 'rate_limit_exceeded', message: 'Rate limit reached for requests' }],
  ['rate_limited', 429, { message: 'Resource has been exhausted (e.g. check quota).' }],
  ['rate_limited', 503, { message: 'server busy, please try again. maximum pending requests exceeded' }],
  ['rate_limited', 503, { message: 'The model is overloaded. Please try again later.' }],
  ['rate_limited', 529, { type: 'overloaded_error', message: 'Overloaded' }],
  [
    'too_large',
    429,
    { code: 'rate_limit_exceeded', message: 'Request too large for gpt-4o: Limit 10000, Requested 20000' },
  ],
  ['too_large', 400, { code: 'string_above_max_length' }],
  [
    'too_large',
    400,
    { message: "This model's maximum prompt length is 131072 but the request contains 200000 tokens." },
  ],
  ['too_large', 400, { message: 'prompt is too long: 250000 tokens > 200000 maximum' }],
  ['refused', 400, { code: 'content_filter', message: 'The response was filtered' }],
  ['refused', 400, { code: 'invalid_prompt', message: 'limited access to this content for safety reasons' }],
  ['refused', 403, { message: 'Content violates usage guidelines.' }],
  ['refused', 400, { message: 'Prohibited_content' }],
  ['refused', 400, { message: 'Content Exists Risk' }],
  ['unknown_format', 400, { message: 'This response_format type is unavailable now' }],
  ['unknown_format', 422, { param: 'response_format', message: 'unknown variant json_schema' }],
  [
    'unknown_cap',
    400,
    { param: 'max_tokens', message: "Unsupported parameter: 'max_tokens' is not supported with this model" },
  ],
  [
    'unknown_cap',
    400,
    { message: "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported." },
  ],
  ['unavailable', 408, {}],
  ['unavailable', 409, {}],
  ['unavailable', 425, { message: 'Too Early' }],
  ['unavailable', 500, { message: 'The server had an error' }],
  ['unavailable', 503, {}],
  ['rejected', 400, { message: 'messages: invalid role' }],
  ['rejected', 422, {}],
  ['rejected', 400, { message: 'invalid content: "is your api key not valid? insufficient balance"' }],
  [
    'too_large',
    400,
    { code: 'context_length_exceeded', message: "This model's maximum context length is 8192 tokens." },
  ],
  [
    'too_large',
    400,
    {
      type: 'BadRequestError',
      message: "This model's maximum context length is 2048 tokens. However, your request has 8000 input tokens.",
    },
  ],
  ['too_large', 400, { message: 'The decoder prompt (length 5000) is longer than the maximum model length of 4096.' }],
  [
    'too_large',
    400,
    { type: 'exceed_context_size_error', message: 'the request exceeds the available context size, try increasing it' },
  ],
  ['too_large', 500, { type: 'exceed_context_size_error' }],
  ['too_large', 400, { message: 'Requested tokens (2285) exceed context window of 2048' }],
  ['too_large', 400, { message: 'the input length exceeds the context length' }],
  [
    'too_large',
    400,
    { message: 'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).' },
  ],
  [
    'too_large',
    400,
    { message: "This model's maximum prompt length is 131072 but the request contains 537812 tokens." },
  ],
  ['too_large', 400, { type: 'invalid_request_error', message: 'prompt is too long: 210000 tokens > 200000 maximum' }],
  [
    'too_large',
    413,
    {
      code: 'rate_limit_exceeded',
      message: 'Request too large for model on tokens per minute (TPM): Limit 6000, Requested 7000',
    },
  ],
  [
    'too_large',
    429,
    {
      code: 'rate_limit_exceeded',
      message: 'Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 31000.',
    },
  ],
  ['too_large', 413, {}],
  ['too_large', undefined, { type: 'exceed_context_size_error' }],
  ['refused', 400, { code: 'content_filter', message: 'The response was filtered due to the prompt' }],
  ['refused', 400, { code: 'content_policy_violation' }],
  [
    'refused',
    400,
    { code: 'invalid_prompt', message: 'Your prompt was flagged as potentially violating our usage policy.' },
  ],
  ['refused', 400, { message: 'Request blocked: PROHIBITED_CONTENT' }],
  ['refused', 403, { message: 'The input was flagged by moderation' }],
  ['refused', 400, { code: 'data_inspection_failed' }],
  ['operator', 400, { message: 'Incorrect API key provided: xa***23.' }],
  ['operator', 429, { type: 'exceeded_current_quota_error' }],
  ['operator', 400, { message: 'Your credit balance is too low to access the API.' }],
  ['operator', 400, { code: 'billing_hard_limit_reached' }],
  ['operator', 404, { message: 'model "x" not found, try pulling it first' }],
  ['operator', 403, {}],
  [
    'rate_limited',
    429,
    {
      code: 'rate_limit_exceeded',
      message: 'Rate limit reached on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000.',
    },
  ],
  ['rate_limited', 429, { message: 'You exceeded your current quota, please check your plan and billing details.' }],
  ['rate_limited', 498, {}],
  ['rate_limited', 429, {}],
  ['unavailable', 425, {}],
  ['unavailable', 500, { message: 'The server had an error while processing your request.' }],
  ['unavailable', 502, {}],
  ['unavailable', 503, { message: 'The model is loading' }],
  ['unavailable', 520, {}],
  ['unavailable', undefined, { message: 'Provider returned error' }],
  ['unknown_format', 422, { message: "response_format.type: value must be 'json_object' or 'text'" }],
  ['unknown_format', 400, { message: 'This model does not support response format `json_schema`.' }],
  [
    'unknown_cap',
    400,
    {
      code: 'unsupported_parameter',
      param: 'max_tokens',
      message:
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    },
  ],
  ['unknown_cap', 400, { message: 'Setting max_tokens and max_completion_tokens at the same time is not supported.' }],
  ['unknown_cap', 400, { message: 'Unrecognized request argument supplied: max_completion_tokens' }],
  ['rejected', 400, { code: 'unknown_parameter', param: 'user', message: "Unknown parameter: 'user'." }],
  ['rejected', 422, { message: 'messages: field required' }],
  ['rejected', 405, {}],
];

describe('faultOf', () => {
  it.each(cases)('returns %s for HTTP %s %o', (kind, status, error) => {
    const lower = (text = '') => text.toLowerCase();
    const { code, type, param, message } = error;
    expect(
      faultOf({ status, code: lower(code), type: lower(type), param: lower(param), message: lower(message) }),
    ).toBe(kind);
  });

  it('returns a kind for any status and text', () => {
    fc.assert(
      fc.property(fc.integer({ min: 400, max: 599 }), fc.string(), fc.string(), (status, code, message) => {
        expect(faultOf({ status, code, type: '', param: '', message })).toEqual(expect.any(String));
      }),
    );
  });
});

it.each([
  [
    "this model's maximum context length is 8192 tokens. however, you requested 10000 tokens (9600 in the messages, 400 in the completion).",
    8_192,
  ],
  ['the input token count (1200000) exceeds the maximum number of tokens allowed (1048576).', 1_048_576],
  ['prompt is too long: 210000 tokens > 200000 maximum', 200_000],
  ['prompt contains 40000 tokens, too large for model with 32768 maximum context length', 32_768],
  ['requested tokens (2285) exceed context window of 2048', 2_048],
  ['request (14429 tokens) exceeds the available context size (8192 tokens), try increasing it', 8_192],
  ['request too large on tokens per minute (tpm): limit 6000, requested 7000', 6_000],
  ['input tokens exceed the configured limit of 272,000 tokens', 272_000],
  ['the input length exceeds the context length', undefined],
])('finds the context limit in: %s', (message, limit) => {
  expect(contextLimitOf(message)).toBe(limit);
});

describe('reading an answer', () => {
  it('removes every think block and keeps all other text', () => {
    const word = fc.constantFrom('a', 'It costs 49.90.', ' ', '\n', '<b>', '“x”');
    const thought = fc.constantFrom('<think>x</think>', '<THINK>\n</think>', '<thinking>y</thinking>');
    fc.assert(
      fc.property(fc.array(fc.oneof(word, thought)), (parts) => {
        const words = parts.filter((part) => !/^<think/i.test(part)).join('');
        expect(stripReasoning(parts.join(''))).toBe(words.trim());
      }),
    );
  });

  it('never throws for any content', () => {
    fc.assert(
      fc.property(fc.anything(), fc.boolean(), (content, asJson) => {
        const text = textOf(content, asJson);
        expect(text === null || typeof text === 'string').toBe(true);
      }),
    );
  });

  it('finds JSON between words', () => {
    const words = fc.constantFrom('', 'Here it is:\n', 'So.\n\n');
    fc.assert(
      fc.property(
        fc.jsonValue({ depthSize: 'small' }),
        words,
        words,
        fc.boolean(),
        (value, before, after, isFenced) => {
          fc.pre(typeof value === 'object' && value !== null);
          const json = JSON.stringify(value);
          fc.pre(!json.includes('```'));
          const text = isFenced ? `${before}\`\`\`json\n${json}\n\`\`\`${after}` : `${before}${json}${after}`;
          expect(readJson(text)).toEqual(JSON.parse(json));
        },
      ),
    );
  });

  it.each([
    ['Yes. It costs 12.50 and', 'Yes.'],
    ['بله. قیمت آن', 'بله.'],
    ['はい。価格は', 'はい。'],
    ['هل تريده؟ السعر', 'هل تريده؟'],
    ['You can return it, but', ''],
    ['“Yes!” she', '“Yes!”'],
    ['All of it.', 'All of it.'],
    ['', ''],
  ])('trims %j to %j', (text, whole) => {
    expect(wholeSentences(text)).toBe(whole);
  });
});
