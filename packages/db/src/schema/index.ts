/** Every table's columns: queries and row types follow from them. Keys and indexes are the migrations' alone. */
export * from './accounts.ts';
export * from './chat.ts';
export * from './content.ts';
export * from './instagram.ts';
export * from './jobs.ts';
export * from './ledger.ts';
