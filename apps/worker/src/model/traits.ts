/** What is learnt of the model in use: the form of request that its server takes, and how it cuts text into tokens. */
import type { Config, Logger } from '@tally/core';
import { type Database, type ModelTraits, readModelTraits, writeModelTraits } from '@tally/db';
import type { Message } from '@tally/tasks';
import { LRUCache } from 'lru-cache';

export type Traits = {
  current(): ModelTraits;
  /** True where the cap's field is set by the operator, and nothing else is tried. */
  isCapSet: boolean;
  /** Keeps the form of request that the server takes, at once. */
  learn(change: Partial<Pick<ModelTraits, 'jsonMode' | 'capField'>>): void;
  /** Whether a form of the cap is worth a try: the operator names none, and the server has not refused it. */
  mayTryCap(capField: ModelTraits['capField']): boolean;
  /** Input tokens for the hold: what we count, scaled by what the model has reported for such texts. At least the count. */
  scale(accountId: string, countedTokens: number, messages: Message[]): number;
  /** Tells what the model reported for an account's input of so many counted tokens. */
  observe(accountId: string, countedTokens: number, reportedTokens: number, messages: Message[]): void;
  /** Reads what other workers have learnt, and writes what has moved by more than a twentieth. */
  sync(): Promise<void>;
};

const openAi = 'https://api.openai.com';
const greatestFactor = 8;
// Upwards soon, for a hold that is too small costs the operator; downwards slowly, for texts differ.
const rising = 0.15;
const falling = 0.02;
// The frame of a message weighs too much in shorter ones.
const minObserved = 50;
// Whose own factors are kept: those that have called last.
const maxAccounts = 500;
const letters = /\p{L}/gu;
const latinLetters = /\p{Script=Latin}/gu;

/** Texts in Latin letters are cut alike by most models; others may be cut five times as finely by older ones. */
export function isLatin(messages: Message[]): boolean {
  const text = messages.map(({ content }) => content.slice(0, 4_000)).join('\n');
  const count = text.match(letters)?.length ?? 0;
  return (text.match(latinLetters)?.length ?? 0) >= count * 0.7;
}

const newFactors = () => new LRUCache<string, number>({ max: maxAccounts });

/** Without a database nothing is kept. */
export function createTraits(options: {
  db: Database | undefined;
  log: Logger;
  baseUrl: string | undefined;
  model: string;
  outputCap: Config['openai']['outputCap'];
}): Traits {
  const { db, log, model, outputCap } = options;
  const provider = new URL(options.baseUrl ?? openAi).host;
  // OpenAI refuses both at once; Ollama and llama.cpp read the old name alone.
  const byHost = /(?:^|\.)(?:openai|azure)\.com$/.test(provider) ? 'max_completion_tokens' : 'both';
  const traits: ModelTraits = {
    jsonMode: 'json_schema',
    capField: outputCap === 'auto' ? byHost : outputCap,
    latinFactor: 1,
    otherFactor: 1,
  };
  let stored: ModelTraits = { ...traits };
  const refusedCaps = new Set<ModelTraits['capField']>();
  const names = ['latinFactor', 'otherFactor'] as const;
  const nameOf = (messages: Message[]) => (isLatin(messages) ? 'latinFactor' : 'otherFactor');
  const factors = { latinFactor: newFactors(), otherFactor: newFactors() };
  /** For accounts that have not called: that of the median account, so that odd texts of one account raise no other's holds. */
  function share(): void {
    for (const name of names) {
      const known = [...factors[name].values()].sort((a, b) => a - b);
      traits[name] = known[(known.length - 1) >> 1] ?? traits[name];
    }
  }
  const hasMoved = () =>
    stored.jsonMode !== traits.jsonMode ||
    stored.capField !== traits.capField ||
    names.some((name) => Math.abs(stored[name] / traits[name] - 1) > 0.05);
  /** Takes over what other workers have written since; what both have moved meets halfway. */
  function merge(known: ModelTraits): void {
    if (traits.jsonMode === stored.jsonMode) traits.jsonMode = known.jsonMode;
    if (traits.capField === stored.capField && outputCap === 'auto') traits.capField = known.capField;
    if (byHost === 'both' && known.capField !== 'both') refusedCaps.add('both');
    for (const name of names) {
      const hasOther = Math.abs(known[name] - stored[name]) > 1e-3;
      if (hasOther) traits[name] = traits[name] === stored[name] ? known[name] : (traits[name] + known[name]) / 2;
    }
    stored = { ...known };
  }

  async function sync(): Promise<void> {
    if (db === undefined) return;
    const known = await readModelTraits(db, provider, model);
    share();
    if (known !== undefined) merge(known);
    if (!hasMoved()) return;
    const written = { ...traits };
    await writeModelTraits(db, provider, model, written);
    stored = written;
  }

  function learn(change: Partial<Pick<ModelTraits, 'jsonMode' | 'capField'>>): void {
    if (change.capField !== undefined && change.capField !== 'both') refusedCaps.add('both');
    const before = { ...traits };
    Object.assign(traits, change, outputCap !== 'auto' && { capField: outputCap });
    if (before.jsonMode === traits.jsonMode && before.capField === traits.capField) return;
    const { jsonMode, capField } = traits;
    log.warn({ model, jsonMode, capField }, 'the model’s server takes another form of request');
    sync().catch((err) => log.warn({ err }, 'what was learnt of the model is not kept'));
  }

  return {
    current: () => traits,
    isCapSet: outputCap !== 'auto',
    mayTryCap: (capField) => outputCap === 'auto' && !refusedCaps.has(capField),
    learn,
    scale(accountId, countedTokens, messages) {
      const name = nameOf(messages);
      return Math.ceil(countedTokens * (factors[name].get(accountId) ?? traits[name]));
    },
    observe(accountId, countedTokens, reportedTokens, messages) {
      if (countedTokens < minObserved) return;
      const name = nameOf(messages);
      const factor = factors[name].get(accountId) ?? traits[name];
      const ratio = Math.min(greatestFactor, Math.max(1, reportedTokens / countedTokens));
      factors[name].set(accountId, factor + (ratio - factor) * (ratio > factor ? rising : falling));
    },
    sync,
  };
}
