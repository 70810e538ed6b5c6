/** The page at `/`, for whoever opens the sandbox in a browser. */
import { dialects } from './model/dialects/dialects.ts';

const baseUrls = dialects.map(({ name, basePath }) => `<code>${basePath}</code> (${name})`).join(', ');

export const homePage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Tally sandbox</title>
<h1>Tally sandbox</h1>
<p>Stand-ins for the outside world, so that Tally can be tried and tested without keys or cost.</p>
<ul>
<li><code>POST /v1/chat/completions</code>, <a href="/v1/models"><code>GET /v1/models</code></a>:
a model that speaks OpenAI's protocol and counts real tokens; in the dialects of five providers, each at its base URL:
${baseUrls}
<li><a href="/sandbox/book">the book</a>: every request it served
(<a href="/sandbox/book/totals">totals by user</a>)
<li><a href="/sandbox/faults">faults</a> and <a href="/sandbox/settings">settings</a>: how it is told to misbehave, as in
<code>PUT /sandbox/faults {"rules":[{"kind":"rate_limit","allow_per_second":2}]}</code> or
<code>{"rules":[{"kind":"unauthorized","match":{"dialect":"xai"}}]}</code>, until <code>DELETE</code>
<li><a href="/sandbox/instagram">Instagram</a>: comments and messages by hand, and what was sent through
<code>/graph</code>
<li><a href="/sandbox/mailbox">the mailbox</a>: what was sent by e-mail
</ul>
<p>The sample shop listens on a port of its own, which the log names.</p>
</html>
`;
