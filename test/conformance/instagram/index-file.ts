/** Schema of the index file of a folder of webhook payloads. */
import { z } from 'zod';

const Expected = z.looseObject({ status: z.int(), also: z.array(z.int()).default([]), body: z.string().optional() });

export const Handshake = z.looseObject({
  name: z.string(),
  query: z.string(),
  server_config: z.record(z.string(), z.string()).optional(),
  expect: Expected.extend({ content_type: z.string().optional(), body_must_not_contain: z.string().optional() }),
});
export type Handshake = z.infer<typeof Handshake>;

export const SignatureCase = z.looseObject({
  name: z.string(),
  header: z.string().nullable(),
  legacy_header: z.string().optional(),
  server_config: z.record(z.string(), z.string()).optional(),
  expect: z.union([z.int(), z.string()]),
  also: z.array(z.int()).default([]),
});
export type SignatureCase = z.infer<typeof SignatureCase>;

const Reply = z.looseObject({
  type: z.enum(['comment-private-reply', 'dm-reply']),
  account_id: z.string(),
  comment_id: z.string().optional(),
  mid: z.string().optional(),
  from_id: z.string().optional(),
  text: z.string().optional(),
});
export type Reply = z.infer<typeof Reply>;

export const Payload = z.looseObject({
  file: z.string(),
  title: z.string(),
  headers: z.record(z.string(), z.string()),
  signed_with: z.enum(['IG_APP_SECRET', 'META_APP_SECRET']),
  expect: z.looseObject({
    http_status: z.int(),
    http_status_also_acceptable: z.array(z.int()).default([]),
    reply_jobs: z.array(Reply),
  }),
  policy_choice: z.string().nullish(),
});
export type Payload = z.infer<typeof Payload>;

export const Sequence = z.looseObject({ name: z.string(), steps: z.array(z.string()), expect: z.string() });
export type Sequence = z.infer<typeof Sequence>;

export const Index = z.looseObject({
  test_config: z.looseObject({
    IG_APP_SECRET: z.string(),
    META_APP_SECRET: z.string(),
    VERIFY_TOKEN: z.string(),
    clock: z.string(),
    connected_accounts: z.array(
      z.looseObject({ id: z.string(), username: z.string(), self_ig_scoped_id: z.string().optional() }),
    ),
  }),
  handshake_cases: z.array(Handshake).default([]),
  signature_cases: z.looseObject({ body_file: z.string(), cases: z.array(SignatureCase) }).optional(),
  payloads: z.array(Payload).default([]),
  sequences: z.array(Sequence).default([]),
});
export type Index = z.infer<typeof Index>;
