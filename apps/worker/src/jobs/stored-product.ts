/** A product's row as tasks know it. */
import type { KeptProduct } from '@tally/db';
import { StoredProduct } from '@tally/extraction';

/** Checks what the row says of its sources, and leaves its dates behind. */
export const toStored = (product: KeptProduct): StoredProduct => StoredProduct.parse(product);
