/** Builds the HTTP app: shared middleware, public routes, then authenticated and operator routes. */
import { OpenAPIHono } from '@hono/zod-openapi';
import { newId, TallyError } from '@tally/core';
import { type AnyTask, tasks as allTasks } from '@tally/tasks';
import { secureHeaders } from 'hono/secure-headers';
import { requireAccount, requireOperator } from './auth/require.ts';
import { allowOrigins } from './http/cors.ts';
import { createErrorHandler, invalidInput, sendError } from './http/errors.ts';
import { limitBody, readableJson } from './http/json-body.ts';
import { knownNamesOnly } from './http/known-names.ts';
import { knownMethodsOnly } from './http/methods.ts';
import { createMetrics } from './http/metrics.ts';
import { networkOf } from './http/origin.ts';
import { pathPrefixOf } from './http/public-address.ts';
import { limits } from './limits.ts';
import { accessRoutes } from './routes/accounts/access.ts';
import { accountErasureRoutes } from './routes/accounts/erasure.ts';
import { accountExportRoutes } from './routes/accounts/export.ts';
import { linkPageRoutes } from './routes/accounts/link-pages.ts';
import { profileRoutes } from './routes/accounts/profile.ts';
import { secondFactorRoutes } from './routes/accounts/second-factor.ts';
import { signInPaths, signInRoutes } from './routes/accounts/sign-in.ts';
import { adminRoutes } from './routes/admin/accounts.ts';
import { bullBoardPath, bullBoardRoutes } from './routes/admin/bull-board.ts';
import { adminJobRoutes } from './routes/admin/jobs.ts';
import { billingRoutes } from './routes/billing.ts';
import { conversationRoutes } from './routes/content/conversations.ts';
import { knowledgeRoutes } from './routes/content/knowledge.ts';
import { productRoutes } from './routes/content/products.ts';
import { promptRoutes } from './routes/content/prompt.ts';
import { qaRoutes } from './routes/content/qa.ts';
import { createDocument, docsRoutes, privateCacheHeaders } from './routes/docs.ts';
import { healthRoutes } from './routes/health.ts';
import { instagramRoutes } from './routes/instagram/accounts.ts';
import { webhookRoutes } from './routes/instagram/webhooks.ts';
import { workflowRoutes } from './routes/instagram/workflows.ts';
import { jobEventRoutes } from './routes/jobs/events.ts';
import { jobRoutes } from './routes/jobs/jobs.ts';
import { taskRoutes } from './routes/jobs/submit.ts';
import type { Api, ApiEnv, ApiServices } from './services.ts';

/** Builds the app over its services; `tasks` defaults to the registry. */
export function createApp(services: ApiServices, tasks: readonly AnyTask[] = allTasks): Api {
  const app: Api = new OpenAPIHono<ApiEnv>({ strict: false });
  const metrics = createMetrics(services);
  app.onError(createErrorHandler(services.log));
  app.notFound((c) => sendError(c, pageNotFound()));
  app.use(async (c, next) => {
    const requestId = newId();
    c.set('requestId', requestId);
    c.set('prefix', pathPrefixOf(c, services.config));
    // Set before the response exists: Hono copies a finished response to add a header to it.
    c.header('x-request-id', requestId);
    c.header('x-content-type-options', 'nosniff');
    c.header('x-frame-options', 'SAMEORIGIN');
    c.header('referrer-policy', 'no-referrer');
    await next();
  });
  app.use(metrics.middleware);
  // HTML pages get the full set of security headers.
  app.use('/docs/*', secureHeaders());
  app.use('/admin/queues/*', secureHeaders({ contentSecurityPolicy: sameOriginPolicy }));
  const { corsOrigins } = services.config;
  if (corsOrigins.length > 0) app.use('/api/*', allowOrigins(corsOrigins));
  app.use(knownMethodsOnly(app, (path) => !path.startsWith(bullBoardPath)));
  app.route('/', healthRoutes(services, metrics));
  app.route('/', docsRoutes());
  app.route('/', linkPageRoutes());
  app.route('/', bullBoardRoutes(services, tasks));
  app.route('/', webhookRoutes(services));

  // The only JSON routes that read a body before authentication, hence with a smaller limit.
  for (const path of signInPaths) app.use(path, limitBody(limits.maxCredentialsBytes), readableJson);
  mount(app, signInRoutes(services));
  app.use('/api/*', requireAccount(services.authenticator));
  app.use('/api/admin/*', requireOperator(services.config));
  app.use('/api/*', limitBody(limits.maxBodyBytes), readableJson);
  // Task routes check unknown names themselves, after the token check.
  app.route('/', taskRoutes(services, tasks));
  // Submissions have their own rate limit; every other request counts as a read.
  app.use('/api/*', async (c, next) => {
    const { accountId } = c.get('identity');
    await services.rateLimits.read(accountId);
    // The JSON check has read the body already, and Hono caches it.
    const bytes = Number(c.req.header('content-length') ?? Buffer.byteLength(await c.req.text()));
    if (bytes > 0) await services.rateLimits.written(accountId, bytes);
    await next();
  });
  mount(app, profileRoutes(services));
  mount(app, accessRoutes(services));
  mount(app, secondFactorRoutes(services));
  mount(app, accountExportRoutes(services));
  mount(app, accountErasureRoutes(services));
  mount(app, billingRoutes(services));
  mount(app, knowledgeRoutes(services));
  mount(app, productRoutes(services));
  mount(app, qaRoutes(services));
  mount(app, promptRoutes(services));
  mount(app, conversationRoutes(services));
  mount(app, instagramRoutes(services));
  mount(app, workflowRoutes(services));
  mount(app, jobRoutes(services));
  mount(app, jobEventRoutes(services));
  mount(app, adminRoutes(services));
  mount(app, adminJobRoutes(services));

  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'An access token from /api/accounts/login, or an API key',
  });
  const documentAt = createDocument(app, { title: 'Tally', version: '0.1.0', description });
  app.get('/openapi.json', async (c) => {
    await services.rateLimits.document(networkOf(c, services.config));
    return c.body(documentAt(c.get('prefix')), 200, { ...privateCacheHeaders, 'content-type': 'application/json' });
  });
  return app;
}

/** Adds routes; a body, query or header that doesn't match its schema is `invalid_input` with path and reason. */
function mount(app: Api, routes: OpenAPIHono<ApiEnv>): void {
  routes.defaultHook = (result) => {
    if (result.success) return;
    // A malformed id is answered like an unknown one.
    if (result.target === 'param') throw pageNotFound();
    throw invalidInput(result.error);
  };
  for (const definition of routes.openAPIRegistry.definitions)
    if (definition.type === 'route') {
      const { method, path, request } = definition.route;
      app.on(method, path.replaceAll(/{(.+?)}/g, ':$1'), knownNamesOnly(request));
    }
  app.route('/', routes);
}

// Bull Board's page loads fonts from an external server; this policy keeps operators' visits from it.
const sameOriginPolicy = {
  defaultSrc: ["'self'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'", "'unsafe-inline'"],
  imgSrc: ["'self'", 'data:'],
  // default-src does not cover these three.
  baseUri: ["'self'"],
  formAction: ["'self'"],
  frameAncestors: ["'self'"],
};

const description = `AI tasks from a queue, every token counted exactly once.

A query parameter or body field that a route doesn’t know is refused (400 \`invalid_input\`), as is another method (405, with
\`Allow\`). Addresses in answers begin with the server’s path.`;

const pageNotFound = () => new TallyError('not_found', 'There is nothing at this address');
