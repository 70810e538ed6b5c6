/** A mail server that delivers nothing: what is sent stays in one mailbox, to look at. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import { Hono } from 'hono';
import { simpleParser } from 'mailparser';
import { SMTPServer, type SMTPServerEnvelope } from 'smtp-server';
import { pageOf } from './pages.ts';

export type Mail = { to: string; from: string; subject: string; text: string; received_at: string };

const mostKept = 500;
const mostBytes = 1024 * 1024;

export function createMailbox() {
  let mails: Mail[] = [];
  const list = (to?: string) => mails.filter((mail) => to === undefined || mail.to === to.toLowerCase());
  const clear = () => {
    mails = [];
  };
  const receive = async (stream: Readable, { mailFrom, rcptTo }: SMTPServerEnvelope): Promise<void> => {
    const { subject = '', text = '' } = await simpleParser(stream);
    const from = mailFrom === false ? '' : mailFrom.address;
    const received_at = new Date().toISOString();
    const received = rcptTo.map(({ address }) => ({ to: address.toLowerCase(), from, subject, text, received_at }));
    mails = [...received, ...mails].slice(0, mostKept);
  };

  /** `/sandbox/mailbox`, a page, and `/sandbox/mail`, the same as JSON. */
  const routes = new Hono()
    .get('/mailbox', (c) => c.html(pageOf('mailbox')))
    .get('/mail', (c) => c.json({ mails: list(c.req.query('to')) }))
    .delete('/mail', (c) => {
      clear();
      return c.json({ mails: [] });
    });

  return {
    list,
    clear,
    routes,
    /** Speaks SMTP on `port` (0: any free one) of `host`. */
    async listen(port: number, host = '127.0.0.1') {
      const server = new SMTPServer({
        authOptional: true,
        disabledCommands: ['STARTTLS'],
        size: mostBytes,
        logger: false,
        onAuth: (_auth, _session, callback) => callback(null, { user: 'anybody' }),
        onData: (stream, session, callback) =>
          receive(stream, session.envelope).then(
            () => callback(),
            (error: Error) => callback(error),
          ),
      });
      const listening = server.listen(port, host);
      await once(listening, 'listening');
      const bound = (listening.address() as AddressInfo).port;
      const close = () => new Promise<void>((resolve) => server.close(resolve));
      return { url: `smtp://${host}:${bound}`, close };
    },
  };
}
