/** The pages that links in e-mails open: a form with a button, and its outcome. */
import { Hono } from 'hono';
import type { ApiEnv } from '../../services.ts';
import { privateCacheHeaders } from '../docs.ts';

const security = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-frame-options': 'DENY',
};

const forms = {
  confirm: {
    title: 'Confirm your address',
    text: 'This address becomes that of your account. The password shows that it was you who opened it.',
    fields:
      '<label>Password <input type="password" id="password" maxlength="200" autocomplete="current-password" required></label>',
    button: 'Confirm',
  },
  reset: {
    title: 'Choose a new password',
    text: 'At least ten characters. Every login so far ends; of an address that was never confirmed, API keys and what was stored without a plan go, too.',
    fields:
      '<label>New password <input type="password" id="password" minlength="10" maxlength="200" autocomplete="new-password" required></label>',
    button: 'Set the password',
  },
};

const pageAt = (prefix: string, { title, text, fields, button }: (typeof forms)[keyof typeof forms]) => `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">
  <title>${title} – Tally</title>
  <link rel="stylesheet" href="${prefix}/account/page.css">
</head>
<body>
  <main>
    <h1>${title}</h1>
    <p>${text}</p>
    <form id="form">${fields}<button>${button}</button></form>
    <p id="outcome" role="status"></p>
  </main>
  <script src="${prefix}/account/page.js"></script>
</body>
</html>`;

const style = `:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { display: grid; place-items: center; min-height: 100vh; margin: 0; }
main { max-width: 26rem; padding: 2rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; }
form { display: grid; gap: 1rem; }
label { display: grid; gap: .25rem; }
input, button { font: inherit; padding: .6rem .8rem; border-radius: .4rem; border: 1px solid GrayText; }
button { background: #14532d; color: #fff; border: 0; cursor: pointer; }
button:disabled { opacity: .6; cursor: default; }`;

const script = `const form = document.getElementById('form');
const outcome = document.getElementById('outcome');
const password = document.getElementById('password');
const [base, purpose] = [location.pathname.replace(/\\/account\\/.*$/, ''), location.pathname.split('/').at(-1)];
const path = purpose === 'reset' ? '/api/accounts/password/reset' : '/api/accounts/confirm';
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const button = form.querySelector('button');
  button.disabled = true;
  const body = { token: location.hash.slice(1), [purpose === 'reset' ? 'new_password' : 'password']: password.value };
  const answer = await fetch(base + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    .then((response) => response.json(), () => ({ error: 'The server can’t be reached: try again.' }));
  outcome.textContent = answer.success ? 'Done. You can close this page and log in.' : answer.error;
  if (answer.success) form.remove();
  else button.disabled = false;
});`;

/** Routes of the pages; the token stays in the URL fragment until the button posts it. */
export function linkPageRoutes() {
  const app = new Hono<ApiEnv>();
  for (const [purpose, form] of Object.entries(forms))
    app.get(`/account/${purpose}`, (c) =>
      c.html(pageAt(c.get('prefix'), form), 200, { ...security, ...privateCacheHeaders }),
    );
  const file = (path: string, type: string, text: string) =>
    app.get(path, (c) => c.body(text, 200, { 'content-type': type, 'cache-control': 'max-age=3600' }));
  file('/account/page.css', 'text/css; charset=utf-8', style);
  file('/account/page.js', 'text/javascript; charset=utf-8', script);
  return app;
}
