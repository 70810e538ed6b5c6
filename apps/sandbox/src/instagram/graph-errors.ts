/** Errors in the shape that Meta's Graph API gives them, with messages in several languages. */
import { randomBytes } from 'node:crypto';

export const locales = ['en', 'de', 'fa', 'ja', 'tr'] as const;
export type Locale = (typeof locales)[number];

export type GraphError = {
  /** HTTP status. Meta's own differ little by class, which is why clients must read the code. */
  status: number;
  code: number;
  subcode?: number | undefined;
  message?: string | undefined;
  is_transient?: boolean | undefined;
  retry_after_s?: number | undefined;
};

/** What the sandbox itself finds wrong with a request. */
export const graphErrors = {
  token_missing: { status: 400, code: 190 },
  shape_unknown: { status: 400, code: 100 },
  text_too_long: { status: 400, code: 100 },
  comment_answered: { status: 400, code: 10900 },
  path_unknown: { status: 400, code: 100, subcode: 33 },
  internal: { status: 500, code: 1 },
} as const satisfies Record<string, GraphError>;

const rateCodes = new Set([4, 17, 32, 613, 80002]);
const serverCodes = new Set([1, 2]);

/** The status that Meta's API answers a code with. */
export const statusOfCode = (code: number): number => (serverCodes.has(code) ? 500 : 400);

/** What an error is about, which is what its message can say. */
type Topic = 'token' | 'rate' | 'server' | 'window' | 'permission' | 'answered' | 'parameter';

function topicOf({ code, subcode }: GraphError): Topic {
  if (code === 190) return 'token';
  if (rateCodes.has(code)) return 'rate';
  if (serverCodes.has(code)) return 'server';
  if (code === 10900 || subcode === 2534025) return 'answered';
  if (subcode === 2534022 || subcode === 2018278) return 'window';
  if (code === 10 || code === 200) return 'permission';
  return 'parameter';
}

const messages: Record<Locale, Record<Topic, string>> = {
  en: {
    token: 'Invalid OAuth access token - Cannot parse access token',
    rate: 'Application request limit reached',
    server: 'An unexpected error has occurred. Please retry your request later.',
    window: 'This message is sent outside of allowed window.',
    permission: 'Application does not have permission for this action',
    answered: 'Activity already replied to',
    parameter: 'Invalid parameter',
  },
  de: {
    token: 'Ungültiges OAuth-Zugriffstoken',
    rate: 'Das Anfragelimit der App wurde erreicht',
    server: 'Ein unerwarteter Fehler ist aufgetreten. Bitte versuche es später erneut.',
    window: 'Diese Nachricht wurde außerhalb des zulässigen Zeitfensters gesendet.',
    permission: 'Die App hat keine Berechtigung für diese Aktion',
    answered: 'Diese Aktivität wurde bereits beantwortet',
    parameter: 'Ungültiger Parameter',
  },
  fa: {
    token: 'نشانهٔ دسترسی نامعتبر است',
    rate: 'به سقف درخواست‌های برنامه رسیده‌اید',
    server: 'خطای غیرمنتظره‌ای رخ داد. لطفاً بعداً دوباره تلاش کنید.',
    window: 'این پیام خارج از بازهٔ زمانی مجاز فرستاده شده است.',
    permission: 'برنامه اجازهٔ این کار را ندارد',
    answered: 'به این فعالیت پیش‌تر پاسخ داده شده است',
    parameter: 'پارامتر نامعتبر',
  },
  ja: {
    token: 'OAuthアクセストークンが無効です',
    rate: 'アプリのリクエスト数が上限に達しました',
    server: '予期しないエラーが発生しました。後でもう一度お試しください。',
    window: '許可された期間外に送信されたメッセージです。',
    permission: 'アプリにこのアクションの権限がありません',
    answered: 'このアクティビティには返信済みです',
    parameter: '無効なパラメーターです',
  },
  tr: {
    token: 'Geçersiz OAuth erişim belirteci',
    rate: 'Uygulama istek sınırına ulaşıldı',
    server: 'Beklenmeyen bir hata oluştu. Lütfen daha sonra tekrar deneyin.',
    window: 'Bu mesaj izin verilen sürenin dışında gönderildi.',
    permission: 'Uygulamanın bu işlem için izni yok',
    answered: 'Bu etkinliğe zaten yanıt verildi',
    parameter: 'Geçersiz parametre',
  },
};

/** The body of an error answer; `detail` follows the message, as where Meta names the parameter at fault. */
export function graphErrorBody(error: GraphError, locale: Locale, detail?: string): object {
  const localised = messages[locale][topicOf(error)];
  const said = error.message ?? (detail === undefined ? localised : `${localised}: ${detail}`);
  return {
    error: {
      message: error.message === undefined ? `(#${error.code}) ${said}` : said,
      type: serverCodes.has(error.code) ? 'FacebookApiException' : 'OAuthException',
      code: error.code,
      ...(error.subcode === undefined ? {} : { error_subcode: error.subcode }),
      ...(error.is_transient === undefined ? {} : { is_transient: error.is_transient }),
      fbtrace_id: `A${randomBytes(16).toString('base64url')}`,
    },
  };
}
