/** Converts a product's row to the form that tasks use. */
import type { KeptProduct } from '@tally/db';
import { StoredProduct } from '@tally/extraction';

/** Validates the row's sources and drops its dates. */
export const toStored = (product: KeptProduct): StoredProduct => StoredProduct.parse(product);
