/** Every table's columns, from which queries and row types are derived. Keys and indexes are in the migrations only. */
export * from './accounts.ts';
export * from './chat.ts';
export * from './content.ts';
export * from './instagram.ts';
export * from './jobs.ts';
export * from './ledger.ts';
