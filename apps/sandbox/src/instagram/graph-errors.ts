/** Errors in the shape that Meta's Graph API gives them. */
import { randomBytes } from 'node:crypto';
import type { InstagramSettings } from './settings.ts';

export type GraphError = {
  /** HTTP status. Meta's own differ little by class, which is why clients must read the code. */
  status: number;
  code: number;
  subcode?: number | undefined;
  message?: string | undefined;
  is_transient?: boolean | undefined;
  retry_after_s?: number | undefined;
};

export const graphErrors = {
  token_missing: { status: 400, code: 190 },
  shape_unknown: { status: 400, code: 100 },
  text_too_long: { status: 400, code: 100 },
  comment_answered: { status: 400, code: 10900 },
  path_unknown: { status: 400, code: 100, subcode: 33 },
} as const satisfies Record<string, GraphError>;

const serverCodes = [1, 2];

export const statusOfCode = (code: number): number => (serverCodes.includes(code) ? 500 : 400);

/** Meta's messages are localised: whoever matches their text finds out here. */
const messages: Record<InstagramSettings['locale'], string> = {
  en: 'Invalid parameter',
  de: 'Es ist ein Fehler aufgetreten.',
  fa: 'خطایی رخ داد.',
  ja: 'エラーが発生しました。',
  tr: 'Bir hata oluştu.',
};

/** The body of an error answer; `detail` follows the message, as where Meta names the parameter at fault. */
export function graphErrorBody(
  { error, detail }: { error: GraphError; detail?: string | undefined },
  locale: InstagramSettings['locale'],
): object {
  const { code, subcode, message, is_transient } = error;
  return {
    error: {
      message: message ?? `(#${code}) ${messages[locale]}${detail === undefined ? '' : `: ${detail}`}`,
      type: serverCodes.includes(code) ? 'FacebookApiException' : 'OAuthException',
      code,
      ...(subcode !== undefined && { error_subcode: subcode }),
      ...(is_transient !== undefined && { is_transient }),
      fbtrace_id: `A${randomBytes(16).toString('base64url')}`,
    },
  };
}
