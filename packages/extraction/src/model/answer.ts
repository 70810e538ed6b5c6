/** The schema of the model's answer. Strict mode requires every property; null means that the page doesn't say. */
import { z } from 'zod';
import { availabilities } from '../product.ts';

export const ModelProduct = z.object({
  name: z.string(),
  price_text: z.string().nullable().describe('The price exactly as the page writes it'),
  price: z.number().nullable(),
  price_max_text: z.string().nullable(),
  price_max: z.number().nullable(),
  currency: z.string().nullable().describe('ISO 4217'),
  availability: z.enum(availabilities),
  sku: z.string().nullable(),
  brand: z.string().nullable(),
  description: z.string().nullable(),
});
export type ModelProduct = z.infer<typeof ModelProduct>;

export const ModelAnswer = z.object({ products: z.array(ModelProduct) });
export type ModelAnswer = z.infer<typeof ModelAnswer>;
