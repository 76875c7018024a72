/** Where the migration flag is kept, and what a move of it needs. */
import { dirname, resolve } from 'node:path';
import type { Environment } from '../presets/preset.js';
import type { ParsedConfig } from './config.js';
import { parseDuration } from './duration.js';
import type { LoadedConfig } from './load.js';

export interface FlagSettings {
  /** Absolute path of the flag file. */
  readonly file: string;
  /** False where neither the variable nor the config names it: it is the default, by which no service goes. */
  readonly named: boolean;
  /** Forward to `live` and beyond needs a second person. Default false. */
  readonly secondPerson: boolean;
  /** How old a SAFE verdict may be, in milliseconds. Default an hour. */
  readonly verdictMaxAgeMs: number;
  /** Jobs whose callbacks are still sent in `rampdown`, in percent. Default 10. */
  readonly samplePercent: number;
}

/** Beside the file of the embedded broker. */
export const DEFAULT_FLAG_FILE = './.atma-events/flags.json';
export const FLAG_FILE_VARIABLE = 'ATMA_EVENTS_FLAG_FILE';
const DEFAULT_VERDICT_AGE = '1h';
const DEFAULT_SAMPLE = 10;

/**
 * The file of the variable, else of the config (relative to the config's folder: services and people start in other ones),
 * else the default in `directory`.
 */
export function flagSettingsOf(
  loaded: LoadedConfig | undefined,
  environment: Environment,
  directory: string,
): FlagSettings {
  const config: ParsedConfig['flag'] = loaded?.config.flag;
  return {
    ...fileOf(loaded, environment[FLAG_FILE_VARIABLE] || undefined, directory),
    secondPerson: config?.secondPerson ?? false,
    verdictMaxAgeMs: parseDuration(config?.verdictMaxAge ?? DEFAULT_VERDICT_AGE),
    samplePercent: config?.sample ?? DEFAULT_SAMPLE,
  };
}

function fileOf(
  loaded: LoadedConfig | undefined,
  variable: string | undefined,
  directory: string,
): Pick<FlagSettings, 'file' | 'named'> {
  const configured = loaded?.config.flag?.file;
  if (variable !== undefined) return { file: resolve(directory, variable), named: true };
  if (loaded !== undefined && configured !== undefined)
    return { file: resolve(dirname(loaded.file), configured), named: true };
  return { file: resolve(directory, DEFAULT_FLAG_FILE), named: false };
}
