/** What routes on an account's own resources share: lists by pages, deletion, and what is not found. */
import { createRoute, z } from '@hono/zod-openapi';
import { TallyError } from '@tally/core';
import type { Context } from 'hono';
import { limits } from '../limits.ts';
import { bearer, errorResponses, IdParam, jsonResponse } from '../schemas.ts';
import type { ApiEnv } from '../services.ts';

/** The query of a paginated list. */
export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(limits.maxPageSize).default(20),
  cursor: z.uuid().optional(),
});

/** The `cursor` of the page after these rows. */
export const cursorAfter = (rows: { id: string }[]): string | null => rows.at(-1)?.id ?? null;

/** The `cursor` of the next page; null where these rows don't fill the page, which makes it the last. */
export const nextCursor = (rows: { id: string }[], limit: number): string | null =>
  rows.length === limit ? cursorAfter(rows) : null;

type RouteTexts<Path extends string> = { path: Path; tags: string[]; summary: string; description?: string };

/** A list by pages, whose rows stand under `name` in the body. */
export const listRoute = <
  Path extends string,
  Name extends string,
  Item extends z.ZodType,
  Query extends z.ZodRawShape = Record<never, never>,
>({
  name,
  item,
  query,
  ...texts
}: RouteTexts<Path> & { name: Name; item: Item; query?: Query }) => {
  const rows = { [name]: z.array(item) } as Record<Name, z.ZodArray<Item>>;
  return createRoute({
    ...texts,
    method: 'get',
    security: bearer,
    request: { query: PageQuery.extend(query ?? ({} as Query)) },
    responses: {
      200: jsonResponse('A page', { ...rows, next_cursor: z.string().nullable() }),
      ...errorResponses(400, 401),
    },
  });
};

/** Deletes the resource `{id}` of the path. */
export const deleteRoute = <Path extends string>(texts: RouteTexts<Path>) =>
  createRoute({
    ...texts,
    method: 'delete',
    security: bearer,
    request: { params: IdParam },
    responses: { 200: jsonResponse('Deleted', {}), ...errorResponses(401, 404) },
  });

/** Handles a deletion by `remove`, which is false where the account has no such row. */
export const deleteBy =
  (noun: string, remove: (accountId: string, id: string) => Promise<boolean>) =>
  async (c: Context<ApiEnv, string, { out: { param: { id: string } } }>) => {
    if (!(await remove(c.get('identity').accountId, c.req.valid('param').id))) throw notFound(noun);
    return c.json({ success: true as const }, 200);
  };

/** The row, unless there is none. @throws TallyError `not_found` */
export function orNotFound<Row>(noun: string, row: Row | undefined): Row {
  if (row === undefined) throw notFound(noun);
  return row;
}
const notFound = (noun: string) => new TallyError('not_found', `There is no such ${noun}`);
