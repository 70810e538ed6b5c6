/** The dialects of the stand-in model, each at a base URL of its own. */
import { deepseek } from './deepseek.ts';
import type { Dialect } from './dialect.ts';
import { google } from './google.ts';
import { ollama } from './ollama.ts';
import { openai } from './openai.ts';
import { xai } from './xai.ts';

export const dialects: readonly Dialect[] = [openai, xai, google, ollama, deepseek];
