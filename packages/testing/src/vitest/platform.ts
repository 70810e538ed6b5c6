/** Starts a platform over its own storage, and a scripted model; both end with their test or test file. */
import { afterAll } from 'vitest';
import type { CloseLater } from '../clean-up.ts';
import { type Platform, type PlatformOptions, startPlatformOver } from '../platform.ts';
import { type ScriptedModel, startScriptedModel as startModel } from '../stand-ins/scripted-model.ts';
import { newStorage, testLog } from './storage.ts';

/** Ends with the test file, or with the test if `closeLater` is `onTestFinished`. */
export const startPlatform = async (
  options: Partial<PlatformOptions> = {},
  closeLater: CloseLater = afterAll,
): Promise<Platform> => startPlatformOver(await newStorage(), { log: testLog, ...options }, closeLater);

/** Ends with the test file. */
export const startScriptedModel = (script: ScriptedModel['script']): Promise<ScriptedModel> =>
  startModel(script, afterAll);
