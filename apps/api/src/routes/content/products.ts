/** Routes on an account's products: as extracted, with the owner's corrections. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { boundedText } from '@tally/core';
import { correctProduct, deleteProduct, findProduct, type KeptProduct, listProducts } from '@tally/db';
import { describeProduct, ProductFields, StoredProduct } from '@tally/extraction';
import { limits } from '../../limits.ts';
import { defined } from '../../rows.ts';
import { bearer, Created, errorResponses, IdParam, jsonBody, jsonResponse } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';
import { deleteBy, deleteRoute, listRoute, nextCursor, orNotFound } from '../resources.ts';

const Product = StoredProduct.extend({ created_at: Created, updated_at: Created }).openapi('Product');
const toProduct = ({ createdAt, updatedAt, ...product }: KeptProduct): z.infer<typeof Product> => ({
  ...StoredProduct.parse(product),
  created_at: createdAt.toISOString(),
  updated_at: updatedAt.toISOString(),
});

const line = boundedText(limits.maxTitleCharacters);
const money = z.number().nonnegative().max(1e12);
const { availability } = ProductFields.shape;
const Correction = z
  .strictObject({
    name: line,
    price: money.nullable(),
    price_max: money.nullable(),
    currency: z
      .string()
      .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code')
      .nullable(),
    currency_label: line.nullable(),
    availability,
    sku: line.nullable(),
    gtin: line.nullable(),
    mpn: line.nullable(),
    brand: line.nullable(),
    description: boundedText(limits.maxProductTextCharacters).nullable(),
    images: z.array(z.url({ protocol: /^https?$/ })).max(limits.maxImages),
  })
  .partial();

const base = { tags: ['Products'], security: bearer };
const list = listRoute({
  ...base,
  path: '/api/products',
  summary: 'List products, newest first',
  name: 'products',
  item: Product,
});
const get = createRoute({
  ...base,
  method: 'get',
  path: '/api/products/{id}',
  summary: 'One product',
  request: { params: IdParam },
  responses: { 200: jsonResponse('The product', { product: Product }), ...errorResponses(401, 404) },
});
const correct = createRoute({
  ...base,
  method: 'patch',
  path: '/api/products/{id}',
  summary: 'Correct a product; what is corrected stays so when its page is read again',
  request: { params: IdParam, ...jsonBody(Correction.openapi({ example: { price: 119, availability: 'in_stock' } })) },
  responses: { 200: jsonResponse('The product', { product: Product }), ...errorResponses(400, 401, 404) },
});
const remove = deleteRoute({ ...base, path: '/api/products/{id}', summary: 'Delete a product and its questions' });

export function productRoutes({ db }: ApiServices) {
  const answer = (product: KeptProduct | undefined) => ({
    success: true as const,
    product: toProduct(orNotFound('product', product)),
  });
  return new OpenAPIHono<ApiEnv>()
    .openapi(list, async (c) => {
      const { limit, cursor } = c.req.valid('query');
      const rows = await listProducts(db, { accountId: c.get('identity').accountId, limit, beforeId: cursor });
      const body = { success: true as const, products: rows.map(toProduct), next_cursor: nextCursor(rows, limit) };
      return c.json(body, 200);
    })
    .openapi(get, async (c) =>
      c.json(answer(await findProduct(db, c.get('identity').accountId, c.req.valid('param').id)), 200),
    )
    .openapi(correct, async (c) => {
      const { id } = c.req.valid('param');
      const product = await correctProduct(
        db,
        c.get('identity').accountId,
        id,
        defined(c.req.valid('json')),
        describeProduct,
      );
      return c.json(answer(product), 200);
    })
    .openapi(
      remove,
      deleteBy('product', (accountId, id) => deleteProduct(db, accountId, id)),
    );
}
