/** The page at `/sandbox/mailbox`. */
import { html, raw } from 'hono/html';
import type { Mail } from './mailbox.ts';

const style = `
  :root { color-scheme: light dark; --line: #8884 }
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem }
  h1 { font-size: 1.4rem } article { border: 1px solid var(--line); border-radius: .75rem; padding: 1rem; margin-top: 1rem }
  h2 { font-size: 1.05rem; margin: 0 } p { margin: 0; opacity: .7; font-size: .85rem }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; margin: .75rem 0 0 }
`;

/** The addresses in a text, as links; only http(s). */
const linked = (text: string) =>
  text.split(/(https?:\/\/\S+)/).map((part, i) => (i % 2 === 1 ? html`<a href="${part}">${part}</a>` : part));

export const mailboxPage = (mails: Mail[]) => html`<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mailbox – Tally sandbox</title>
<style>${raw(style)}</style>
<h1>Mailbox</h1>
<p>What Tally sends by e-mail arrives here, and nowhere else. Reload to see more.</p>
${
  mails.length === 0
    ? html`<article>Nothing yet. Open an account: <code>POST /api/accounts/register</code> sends its first letter.</article>`
    : mails.map(
        ({ to, subject, text, received_at }) => html`<article>
<h2>${subject}</h2>
<p>to ${to}, ${received_at}</p>
<pre>${linked(text)}</pre>
</article>`,
      )
}
</html>`;
