/** Finds and loads the project's config file. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { EventsError, messageOf } from '../core/errors.js';
import type { ParsedConfig } from './config.js';

const NAMES = ['atma-events.config.ts', 'atma-events.config.mjs', 'atma-events.config.json'];

/** A config and the file it came from. */
export interface LoadedConfig {
  readonly file: string;
  readonly config: ParsedConfig;
}

/**
 * The config in `explicit`, else the first of `atma-events.config.{ts,mjs,json}` in `directory` or the
 * nearest folder above it, else undefined. Throws `config-invalid` on a file that is missing, cannot be
 * loaded or does not hold a config.
 */
export async function loadConfig(directory: string, explicit?: string): Promise<LoadedConfig | undefined> {
  const file = explicit === undefined ? findConfig(directory) : resolve(directory, explicit);
  if (file === undefined) return undefined;
  if (!existsSync(file)) {
    throw new EventsError('config-invalid', `There is no config file ${file}`, { hint: 'Check --config.' });
  }
  const { parseConfig } = await import('./config.js'); // its schemas take 5 ms: only where there is a file
  return { file, config: parseConfig(await evaluate(file), file) };
}

function findConfig(directory: string): string | undefined {
  for (let folder = resolve(directory); ; folder = dirname(folder)) {
    const found = NAMES.map((name) => join(folder, name)).find((path) => existsSync(path));
    if (found !== undefined || folder === dirname(folder)) return found;
  }
}

async function evaluate(file: string): Promise<unknown> {
  try {
    if (file.endsWith('.json')) return JSON.parse(readFileSync(file, 'utf8'));
    if (file.endsWith('.mjs')) {
      const module: { default?: unknown } = await import(pathToFileURL(file).href);
      return module.default;
    }
    // The alias lets a config import 'atma-events' where only the command is installed (npx, a global install).
    const { createJiti } = await import('jiti');
    const self = fileURLToPath(new URL('../index.js', import.meta.url));
    return await createJiti(import.meta.url, { alias: { 'atma-events': self } }).import(file, {
      default: true,
    });
  } catch (error) {
    throw new EventsError('config-invalid', `Cannot load ${file}: ${messageOf(error)}`, { cause: error });
  }
}
