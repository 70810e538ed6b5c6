/** Sends e-mail by SMTP. */
import { type Logger, TallyError } from '@tally/core';
import { createTransport } from 'nodemailer';

export type Mail = { to: string; subject: string; text: string };

export type Mailer = {
  /** False where SMTP_URL is not set: no address can be confirmed. */
  isSet: boolean;
  /** @throws TallyError `unavailable` where the server refuses the e-mail, or SMTP_URL is not set */
  send(mail: Mail): Promise<void>;
  close(): void;
};

const limitMs = 10_000;

export function createMailer(options: { smtpUrl: string | undefined; from: string; log: Logger }): Mailer {
  const { smtpUrl, from, log } = options;
  const transport =
    smtpUrl === undefined
      ? undefined
      : createTransport(
          {
            url: smtpUrl,
            pool: true,
            maxConnections: 2,
            connectionTimeout: limitMs,
            greetingTimeout: limitMs,
            socketTimeout: limitMs,
          },
          { from },
        );
  return {
    isSet: transport !== undefined,
    async send(mail) {
      if (transport === undefined)
        throw new TallyError('unavailable', 'This installation sends no e-mail: SMTP_URL is not set');
      try {
        await transport.sendMail(mail);
      } catch (err) {
        // Not the error itself: its text repeats the recipient's address.
        const { code, responseCode } = err as { code?: unknown; responseCode?: unknown };
        log.error({ code, response_code: responseCode }, 'an e-mail could not be sent');
        throw new TallyError('unavailable', 'The e-mail could not be sent, try again later', { retryAfterMs: 60_000 });
      }
    },
    close: () => transport?.close(),
  };
}
