/** The page at `/sandbox/instagram`: comments and messages by hand, and the answers as they arrive. */
const style = `
  :root { color-scheme: light dark; --line: #8884; --accent: #b5338a; }
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem }
  form { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .75rem; padding: 1rem;
    border: 1px solid var(--line); border-radius: .75rem; margin-top: 1rem }
  label { display: grid; gap: .2rem; font-size: .85rem; opacity: .9 } label.wide { grid-column: 1 / -1 }
  input, select, textarea { font: inherit; padding: .45rem .6rem; border: 1px solid var(--line); border-radius: .5rem;
    background: transparent; color: inherit } option { color: #000 }
  button { font: inherit; font-weight: 600; padding: .5rem 1.2rem; border: 0; border-radius: .5rem; color: #fff;
    background: var(--accent); cursor: pointer; align-self: end }
  table { border-collapse: collapse; width: 100% } td, th { text-align: start; padding: .45rem .6rem;
    border-top: 1px solid var(--line); vertical-align: top } th { font-size: .8rem; opacity: .7; border: 0 }
  td.text { white-space: pre-wrap; overflow-wrap: anywhere } pre { white-space: pre-wrap; overflow-wrap: anywhere;
    font-size: .8rem; padding: .75rem; border: 1px solid var(--line); border-radius: .5rem; max-height: 16rem; overflow: auto }
  h2 button { font-size: .85rem; padding: .2rem .8rem; margin-inline-start: .5rem } input[type=checkbox] { justify-self: start }
  .badge { white-space: nowrap; border-radius: 1rem; padding: .1rem .6rem; font-size: .8rem; background: #8883 }
  .delivered { background: #2a75; } .refused, .failed, .reset, .hung { background: #c335; }
`;

const script = `
  const $ = (id) => document.getElementById(id);
  const settings = 'instagram/settings', base = location.pathname.replace(/\\/$/, '').replace(/instagram$/, '');
  const call = async (method, path, body) => (await fetch(base + path, { method, body: body && JSON.stringify(body),
    headers: body ? { 'content-type': 'application/json' } : {} })).json();
  let seen = 0;

  call('GET', settings).then((now) => { $('webhook_url').value = now.webhook_url ?? ''; $('echo').checked = now.echo; });
  $('settings').onsubmit = async (event) => {
    event.preventDefault();
    const secret = $('app_secret').value;
    show(await call('PUT', settings, { webhook_url: $('webhook_url').value || null, echo: $('echo').checked,
      ...(secret ? { app_secret: secret } : {}) }));
  };
  $('fire').onsubmit = async (event) => {
    event.preventDefault();
    const form = Object.fromEntries(new FormData(event.target));
    show(await call('POST', 'instagram/fire', { kind: form.kind, ig_user_id: form.ig_user_id,
      from: { id: form.from_id, username: form.username }, ...(form.text ? { text: form.text } : {}),
      ...(form.mid ? { mid: form.mid } : {}), ...(form.media_id ? { media_id: form.media_id } : {}) }));
    refresh();
  };
  $('clear').onclick = async () => { await call('DELETE', 'instagram/sends'); $('sends').replaceChildren(); };

  function show(answer) { $('answer').hidden = false; $('answer').textContent = JSON.stringify(answer, null, 2); }
  function cell(row, text, name) { const td = row.insertCell(); td.textContent = text; td.className = name ?? '';
    td.dir = 'auto'; return td; }
  async function refresh() {
    // The newest ones again, too: a send is listed while it is still open.
    const { sends } = await call('GET', 'instagram/sends?after=' + Math.max(0, seen - 20)).catch(() => ({ sends: [] }));
    for (const send of sends) {
      seen = Math.max(seen, send.seq);
      document.getElementById('send-' + send.seq)?.remove();
      const row = $('sends').insertRow(0);
      row.id = 'send-' + send.seq;
      cell(row, new Date(send.at).toLocaleTimeString());
      cell(row, send.ig_user_id);
      cell(row, send.recipient?.comment_id ? 'comment ' + send.recipient.comment_id : send.recipient?.id ?? '?');
      cell(row, send.text ?? '', 'text');
      const badge = document.createElement('span');
      badge.className = 'badge ' + send.outcome;
      badge.textContent = send.outcome + (send.error ? ' ' + send.error.code : '');
      cell(row, '').append(badge);
    }
  }
  refresh();
  setInterval(refresh, 1500);
`;

export const instagramPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Instagram · Tally sandbox</title>
<style>${style}</style>
<h1>Instagram, played by you</h1>
<p>Write a comment or a message as a customer would. It goes to the webhook, signed as Meta signs it; what comes back
through the Graph API appears below.</p>
<form id="fire">
  <label>What happens <select name="kind"><option>message<option>comment<option>live_comment<option>story_mention
    <option>postback<option>reaction<option>read<option>edit<option>unsend<option>echo</select></label>
  <label>Account (its Instagram id) <input name="ig_user_id" value="17841405309211844" pattern="\\d+" required></label>
  <label>Customer’s username <input name="username" value="mina.daily"></label>
  <label>Customer’s id <input name="from_id" value="1254459154682919" pattern="\\d+" required></label>
  <label>Post <input name="media_id" placeholder="18050310947720001"></label>
  <label>Message id <input name="mid" placeholder="a new one"></label>
  <label class="wide">Text <textarea name="text" rows="2" dir="auto"
    placeholder="How much is the Aurora desk lamp?"></textarea></label>
  <button>Send</button>
</form>
<pre id="answer" hidden></pre>
<h2>What the platform sent <button id="clear" type="button">Clear</button></h2>
<table><thead><tr><th>At<th>Account<th>To<th>Text<th>Outcome</thead><tbody id="sends"></tbody></table>
<h2>Where events go</h2>
<form id="settings">
  <label class="wide">Webhook address <input id="webhook_url" type="url"></label>
  <label>App secret <input id="app_secret" type="password" placeholder="unchanged" autocomplete="off"></label>
  <label>Echo every delivered message <input id="echo" type="checkbox"></label>
  <button>Save</button>
</form>
<script>${script}</script>
</html>
`;
