/** A mail server that delivers nothing: what is sent stays in one mailbox, to look at. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Hono } from 'hono';
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { mailboxPage } from './page.ts';

export type Mail = { to: string; from: string; subject: string; text: string; received_at: string };

export type Mailbox = {
  /** The newest first; those to one address where it is named. */
  list(to?: string): Mail[];
  clear(): void;
  /** `/sandbox/mailbox`, a page, and `/sandbox/mail`, the same as JSON. */
  routes: Hono;
  /** Speaks SMTP on `port` (0: any free one) of `host`. */
  listen(port: number, host?: string): Promise<{ url: string; close(): Promise<void> }>;
};

const mostKept = 500;
const mostBytes = 1024 * 1024;

export function createMailbox(): Mailbox {
  let mails: Mail[] = [];
  const list = (to?: string) => mails.filter((mail) => to === undefined || mail.to === to.toLowerCase());
  const clear = () => {
    mails = [];
  };

  function newServer(): SMTPServer {
    return new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      size: mostBytes,
      logger: false,
      onAuth: (_auth, _session, callback) => callback(null, { user: 'anybody' }),
      onData(stream, session, callback) {
        simpleParser(stream).then(
          ({ subject, text }) => {
            const { mailFrom, rcptTo } = session.envelope;
            const received = rcptTo.map(({ address }) => ({
              to: address.toLowerCase(),
              from: mailFrom === false ? '' : mailFrom.address,
              subject: subject ?? '',
              text: text ?? '',
              received_at: new Date().toISOString(),
            }));
            mails = [...received, ...mails].slice(0, mostKept);
            callback();
          },
          (error: Error) => callback(error),
        );
      },
    });
  }

  const routes = new Hono()
    .get('/mailbox', (c) => c.html(mailboxPage(list(c.req.query('to')))))
    .get('/mail', (c) => c.json({ mails: list(c.req.query('to')) }))
    .delete('/mail', (c) => {
      clear();
      return c.json({ mails: [] });
    });

  return {
    list,
    clear,
    routes,
    async listen(port, host = '127.0.0.1') {
      const server = newServer();
      const listening = server.listen(port, host);
      await once(listening, 'listening');
      const bound = (listening.address() as AddressInfo).port;
      return {
        url: `smtp://${host}:${bound}`,
        close: () => new Promise<void>((resolve) => server.close(resolve)),
      };
    },
  };
}
