/** The ten chapters by their titles: one account from its registration to its last token. */
import { StoredProduct } from '@tally/extraction';
import { z } from 'zod';
import { type Client, call, completed, expectEqual, jobEnd, quiet, run, submit } from './client.ts';
import { countText, print, printRequest, printRow, showProgress } from './output.ts';

type Story = { lea: Client; operator: Client; sandbox: Client; shop: string; productId?: string | undefined };

/** Used up in the ninth chapter. */
const includedTokens = 6_500;
const instagram = { ig_user_id: '17841405309211844' };
const unknownQuestion = { question: 'Do you repair bicycles?' };
const askPath = '/api/ai/ask-question';
const pages: [kind: string, path: string, ...expected: string[]][] = [
  ['structured data', '/products/aurora-desk-lamp', 'Aurora desk lamp', '129 EUR', 'in stock', 'jsonld'],
  ['a script adds it after 0.6 s', '/products/halo-wall-light', 'Halo wall light', '89.50 EUR', 'sold out', 'jsonld'],
  ['German text', '/de/produkte/kronleuchter-nordlicht', 'Kronleuchter Nordlicht', '1,234.56 EUR', 'in stock', 'model'],
  ['Persian text', '/fa/products/mahtab', 'چراغ مطالعهٔ مهتاب', '4,850,000 تومان', 'in stock', 'model'],
  ['gives orders to the model', '/products/hidden-instructions', 'Candela clip lamp', '46 EUR', 'in stock', 'model'],
  ['leads to a private address', '/redirect?to=metadata', 'address_refused'],
  ['blocks robots', '/blocked', 'blocked'],
];

const Login = z.object({ access_token: z.string() });
const Subscribed = z.object({ status: z.literal('active'), tokens_remaining: z.literal(includedTokens) });
const Prompt = z.object({ version: z.literal(1), prompt: z.string().regex(/discount/i) });
const Pairs = z.object({ pairs: z.array(z.object({ question: z.string(), answer: z.string() })).length(4) });
const Sources = z.array(z.object({ kind: z.string(), title: z.string() })).min(1);
const Days = z.object({ usage: z.array(z.object({ task: z.string(), calls: z.int(), tokens_billed: z.int() })) });
const Book = z.object({ users: z.record(z.string(), z.object({ answered: z.int(), total_tokens: z.int() })) });
const Jobs = z.object({ jobs: z.array(z.object({ id: z.string() })) });
const refusal = (code: string) => z.object({ error_code: z.literal(code), tokens_remaining: z.int() });

export const chapters: Record<string, (story: Story) => Promise<void>> = {
  'A tenant registers, and nothing runs without tokens': async ({ lea, operator, sandbox }) => {
    print('Access is checked before a task is queued, so a refused task costs nothing.\n');
    const account = { email: 'lea@lumiere-oak.example', password: 'lamps-that-last' };
    lea.token = (await call(lea, 'POST /api/accounts/register', Login, account, 201)).access_token;
    await call(lea, `POST ${askPath}`, refusal('no_subscription'), unknownQuestion, 402);
    const mails = await call(quiet(sandbox), `GET /sandbox/mail?to=${account.email}`, z.unknown());
    const token = /#([\w-]+)/.exec(JSON.stringify(mails))?.[1];
    print('Lea confirms her address by an e-mailed link; then the operator may sell her a plan:');
    await call(lea, 'POST /api/accounts/confirm', Login, { token, password: account.password });
    const login = { email: 'operator@example.com', password: 'tally-demo' };
    operator.token = (await call(operator, 'POST /api/accounts/login', Login, login)).access_token;
    const order = { email: account.email, plan: 'starter', tokens: includedTokens };
    await call(operator, 'POST /api/admin/subscriptions', z.object({ subscription: Subscribed }), order, 201);
  },
  'A rough prompt becomes a clear one': async ({ lea }) => {
    print('Lea says in her own words how to answer customers. All later answers follow the clear version.\n');
    const input = { prompt: 'be nice, we sell lamps, never promise a discount', business: 'a lamp shop in Lisbon' };
    await run(lea, '/api/web-knowledge/generate-prompt', Prompt, input);
  },
  'The shop’s pages become products': async (story) => {
    print('Structured data costs no tokens. The model reads only the rest; its claims must be on the page.\n');
    const path = '/api/web-knowledge/extract-products';
    printRequest('Lea', `POST ${path}`, { url: `${story.shop}/…` });
    const widths = [28, 6, 22, 15, 8, 7];
    printRow(widths, ['page', 'tokens', 'product', 'price', 'stock', 'read by']);
    for (const [kind, page, ...expected] of pages) {
      const id = await submit(quiet(story.lea), path, { url: `${story.shop}${page}` });
      const job = await showProgress(`Reading ${page}`, jobEnd(story.lea, id));
      const product = z.object({ products: z.tuple([StoredProduct]) }).safeParse(job.result).data?.products[0];
      const cells = product ? productCells(product) : [job.error_code];
      expectEqual(`The product on ${page}`, cells, expected);
      expectEqual(`Whether ${page} costs tokens`, job.tokens_consumed > 0, cells.includes('model'));
      printRow(widths, [kind, job.tokens_consumed, ...expected]);
      story.productId ??= product?.id;
    }
  },
  'Questions and answers are written about a product': async ({ lea, productId }) => {
    print('A pair is kept only where its numbers and most of its words are in the product’s data.\n');
    await run(lea, '/api/web-knowledge/generate-qa', Pairs, { product_id: productId, count: 4 });
  },
  'Questions are answered, with their sources': async ({ lea }) => {
    print('The model answers from what the account has stored, and says so where that has no answer.\n');
    const answers = { 'How much does the Aurora desk lamp cost?': /129/, 'Is the Halo wall light in stock?': /out of/ };
    for (const [question, text] of Object.entries(answers))
      await run(lea, askPath, z.object({ answer: z.string().regex(text), sources: Sources }), { question });
    await run(lea, askPath, z.object({ known: z.literal(false), answer: z.string() }), unknownQuestion);
  },
  'A customer writes three messages, and gets one reply': async ({ lea }) => {
    print('The three jobs wait for a second of silence. One of them answers for all, and is billed.\n');
    const ids: string[] = [];
    for (const text of ['Hi!', 'How much is the Aurora desk lamp?', 'And is it in stock?'])
      ids.push(await submit(lea, '/api/chat/messages', { customer: 'tom', text }));
    const Reply = z.object({ reply: z.string().regex(/129.*in stock/is) });
    const billed: number[] = [];
    for (const id of ids) billed.push((await completed(lea, id, Reply)).tokens);
    expectEqual('The number of billed jobs', billed.filter((tokens) => tokens > 0).length, 1);
  },
  'Instagram: a comment gets one private reply, however often it is announced': async ({ lea, sandbox, productId }) => {
    print('A workflow names the comments to answer. A webhook that comes twice must not send two replies.\n');
    const account = { ...instagram, username: 'lumiere.oak', access_token: 'IGAA-demo' };
    await call(lea, 'POST /api/instagram/accounts', z.object({}), account, 201);
    const workflow = { ...instagram, name: 'Price', keywords: ['price'], product_id: productId };
    await call(lea, 'POST /api/workflows', z.object({}), workflow, 201);
    const comment = { kind: 'comment', text: 'Price please!', comment_id: '17900000000000001' };
    const message = { kind: 'message', text: 'Is the Aurora desk lamp in stock?' };
    for (const event of [comment, comment, { kind: 'comment', text: 'So beautiful!' }, message])
      await call(sandbox, 'POST /sandbox/instagram/fire', z.object({ status: z.literal(200) }), event);
    print('The four webhooks lead to two replies:');
    const { jobs } = await call(quiet(lea), 'GET /api/jobs?limit=2', Jobs);
    const Reply = z.object({ text: z.string() }).or(z.object({ reply: z.string() }));
    for (const { id } of jobs.reverse()) await completed(lea, id, Reply);
    const ToComment = z.object({ recipient: z.object({ comment_id: z.string() }), text: z.string().regex(/129/) });
    const ToPerson = z.object({ recipient: z.object({ id: z.string() }), text: z.string().regex(/in stock/) });
    const Sends = z.object({ sends: z.tuple([ToComment, ToPerson]) });
    await call(sandbox, 'GET /sandbox/instagram/sends', Sends);
  },
  'Every page shows the same count': async ({ lea }) => {
    print('Tokens are settled in the transaction that stores the answer; all pages read one balance.\n');
    const { jobs, tokens } = await sumJobs(lea);
    const widths = [36, 10, 10, 10];
    printRow(widths, ['GET /api/…', 'consumed', 'included', 'remaining']);
    for (const path of ['accounts/overview', 'billing/overview', 'billing/subscription', 'billing/plans']) {
      const page = JSON.stringify(await call(quiet(lea), `GET /api/${path}`, z.unknown()));
      const fields = ['total_tokens_consumed|ai_tokens_total', 'original_tokens_included', 'actual_tokens_remaining'];
      const counts = fields.map((field) => Number(new RegExp(`"(?:${field})":(\\d+)`).exec(page)?.[1]));
      printRow(widths, [path, ...counts]);
      expectEqual(`The counts on ${path}`, counts, [tokens, includedTokens, includedTokens - tokens]);
    }
    printRow(widths, [`the sum of all ${jobs} jobs`, tokens]);
  },
  'The tokens run out': async ({ lea, sandbox }) => {
    print('Tokens are reserved before each model call, and the last answer is cut off where they end.\n');
    await call(sandbox, 'PUT /sandbox/settings', z.object({ output_tokens: z.int() }), { output_tokens: 390 });
    const Answer = z.object({ answer: z.string().transform((text) => `${text.slice(0, 60)}…`), cut_off: z.boolean() });
    let isCutOff = false;
    while (!isCutOff) isCutOff = (await run(lea, askPath, Answer, unknownQuestion)).result.cut_off;
    const refused = refusal('no_tokens_remaining');
    await call(lea, `POST ${askPath}`, refused, unknownQuestion, 402);
    await call(lea, 'POST /api/chat/messages', refused, { customer: 'tom', text: 'Hello?' }, 402);
    await call(lea, 'POST /api/web-knowledge/generate-prompt', refused, { prompt: 'be nice' }, 402);
    await call(sandbox, 'POST /sandbox/instagram/fire', z.object({}), { kind: 'comment', text: 'Price?' });
    const { jobs } = await call(quiet(lea), 'GET /api/jobs?limit=1', Jobs);
    for (const { id } of jobs) await jobEnd(lea, id);
    const Rejected = z.object({ status: z.literal('rejected'), error_code: z.literal('no_tokens_remaining') });
    await call(lea, 'GET /api/jobs?limit=1', z.object({ jobs: z.tuple([Rejected]) }));
  },
  'The books agree': async ({ lea, sandbox }) => {
    print('The sandbox’s model keeps its own book of the calls that it answers, and of their tokens.\n');
    const { jobs, tokens } = await sumJobs(lea);
    const { usage } = await call(lea, 'GET /api/billing/usage', Days);
    const { users } = await call(sandbox, 'GET /sandbox/book/totals', Book);
    const calls = usage.reduce((sum, row) => sum + row.calls, 0);
    const billed = usage.reduce((sum, row) => sum + row.tokens_billed, 0);
    expectEqual('The tokens billed by day', billed, tokens);
    expectEqual('The book of the model', Object.values(users), [{ answered: calls, total_tokens: tokens }]);
    print(`\n${jobs} jobs, ${calls} model calls, ${countText(billed)} tokens billed: exactly what the model counted.`);
    print('Next: `npm start` runs Tally for you, and README.md has a first request.');
  },
};

function productCells({ name, price, currency, currency_label, availability, sources }: StoredProduct): string[] {
  const amount = price?.toLocaleString('en-US', { minimumFractionDigits: price % 1 === 0 ? 0 : 2 });
  const stock = { in_stock: 'in stock', out_of_stock: 'sold out', unknown: '' }[availability];
  return [name, `${amount} ${currency ?? currency_label}`, stock, String(sources.price)];
}

async function sumJobs(lea: Client): Promise<{ jobs: number; tokens: number }> {
  const { jobs } = await call(quiet(lea), 'GET /api/jobs?limit=100', Jobs);
  const ended = await Promise.all(jobs.map(({ id }) => jobEnd(lea, id)));
  return { jobs: jobs.length, tokens: ended.reduce((sum, job) => sum + job.tokens_consumed, 0) };
}
