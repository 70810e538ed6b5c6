/** Learns how the model in use behaves: which request form its server accepts, and how it tokenizes text. */
import type { Config, Logger } from '@tally/core';
import { type Database, type ModelTraits, readModelTraits, writeModelTraits } from '@tally/db';
import type { Message } from '@tally/tasks';
import { LRUCache } from 'lru-cache';

export type Traits = {
  current(): ModelTraits;
  /** True if the operator has set the cap's field, so that no other is tried. */
  isCapSet: boolean;
  /** Stores the request form that the server accepts, at once. */
  learn(change: Partial<Pick<ModelTraits, 'jsonMode' | 'capField'>>): void;
  /** Whether a cap field may be tried: the operator has set none, and the server has not refused it. */
  mayTryCap(capField: ModelTraits['capField']): boolean;
  /** Input tokens to hold: the count, scaled by what the model reported for similar texts. At least the count. */
  scale(accountId: string, countedTokens: number, messages: Message[]): number;
  /** Records what the model reported for an account's input of `countedTokens`. */
  observe(accountId: string, countedTokens: number, reportedTokens: number, messages: Message[]): void;
  /** Reads what other workers have learnt, and writes own changes of more than 5 %. */
  sync(): Promise<void>;
};

const openAi = 'https://api.openai.com';
const maxFactor = 8;
// Smoothing weights: fast upwards, since too small a hold costs the operator; slow downwards, since texts differ.
const riseWeight = 0.15;
const fallWeight = 0.02;
// In shorter inputs the messages' framing distorts the ratio.
const minObservedTokens = 50;
// Accounts with a factor of their own, least recently used dropped first.
const maxAccounts = 500;
const letters = /\p{L}/gu;
const latinLetters = /\p{Script=Latin}/gu;

/** Most models tokenize Latin script alike; older ones may need five times as many tokens for other scripts. */
export function isLatin(messages: Message[]): boolean {
  const text = messages.map(({ content }) => content.slice(0, 4_000)).join('\n');
  const count = text.match(letters)?.length ?? 0;
  return (text.match(latinLetters)?.length ?? 0) >= count * 0.7;
}

const newFactors = () => new LRUCache<string, number>({ max: maxAccounts });

/** Without a database, what is learnt is not stored. */
export function createTraits(options: {
  db: Database | undefined;
  log: Logger;
  baseUrl: string | undefined;
  model: string;
  outputCap: Config['openai']['outputCap'];
}): Traits {
  const { db, log, model, outputCap } = options;
  const provider = new URL(options.baseUrl ?? openAi).host;
  // OpenAI refuses both fields at once; Ollama and llama.cpp read only the old name.
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
  /** New accounts get the median factor, so that unusual texts of one account do not raise the holds of others. */
  function updateMedianFactors(): void {
    for (const name of names) {
      const known = [...factors[name].values()].sort((a, b) => a - b);
      traits[name] = known[(known.length - 1) >> 1] ?? traits[name];
    }
  }
  const hasMoved = () =>
    stored.jsonMode !== traits.jsonMode ||
    stored.capField !== traits.capField ||
    names.some((name) => Math.abs(stored[name] / traits[name] - 1) > 0.05);
  /** Adopts what other workers have written since; a factor that both sides changed is averaged. */
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
    updateMedianFactors();
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
      if (countedTokens < minObservedTokens) return;
      const name = nameOf(messages);
      const factor = factors[name].get(accountId) ?? traits[name];
      const ratio = Math.min(maxFactor, Math.max(1, reportedTokens / countedTokens));
      factors[name].set(accountId, factor + (ratio - factor) * (ratio > factor ? riseWeight : fallWeight));
    },
    sync,
  };
}
