/** The route that exports an account's data. */
import { ReadableStream } from 'node:stream/web';
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { exportAccount } from '@tally/db';
import { requireLogin } from '../../auth/require.ts';
import { bearer, errorResponses } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';

// Typed as string: @hono/zod-openapi would take the literal type for a JSON content type.
const jsonLines: string = 'application/x-ndjson';

const exporting = createRoute({
  method: 'get',
  path: '/api/accounts/export',
  tags: ['Accounts'],
  summary: 'Everything that is kept for the account, as JSON lines; the last one has the kind `end`',
  security: bearer,
  middleware: [requireLogin],
  responses: {
    200: {
      description: 'One JSON object a line, `kind` says what it is; without the last line the export is not whole',
      content: { [jsonLines]: { schema: z.string() } },
    },
    ...errorResponses(401, 403),
  },
});
export function accountExportRoutes({ db, log, rateLimits }: ApiServices) {
  return new OpenAPIHono<ApiEnv>().openapi(exporting, async (c) => {
    const { accountId } = c.get('identity');
    await rateLimits.export(accountId);
    log.info({ account_id: accountId }, 'account exported');
    c.header('Content-Type', jsonLines);
    c.header('Content-Disposition', 'attachment; filename="tally-export.ndjson"');
    c.header('Cache-Control', 'no-store');
    return c.body(await streamPages(exportAccount(db, accountId)));
  });
}

/**
 * A body stream that reads pages only as fast as the client reads. The first page is read before the response, so that
 * its errors still set the status.
 */
async function streamPages(pages: AsyncGenerator<string>): Promise<globalThis.ReadableStream<Uint8Array>> {
  const encoder = new TextEncoder();
  let next: Promise<IteratorResult<string>> | undefined = Promise.resolve(await pages.next());
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const page = await (next ?? pages.next());
      next = undefined;
      if (page.done) controller.close();
      else controller.enqueue(encoder.encode(page.value));
    },
    async cancel() {
      await pages.return(undefined);
    },
  });
  return stream as globalThis.ReadableStream<Uint8Array>;
}
