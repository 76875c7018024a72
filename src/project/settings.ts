/** Settings resolved once: options first, then a named profile, environment, project config, defaults. */
import { EventsError } from '../core/errors.js';
import { closest } from '../core/events/closest.js';
import { PRESETS } from '../presets/index.js';
import type { Environment, System } from '../presets/preset.js';
import { DEFAULT_URL } from '../transports/index.js';
import type { ParsedConfig } from './config.js';
import { parseDuration } from './duration.js';
import { loadConfig } from './load.js';

/** What options may say. */
export interface SettingsInput {
  readonly url?: string | undefined;
  readonly preset?: string | undefined;
  readonly config?: string | undefined;
  readonly profile?: string | undefined;
  /** Milliseconds. */
  readonly timeoutMs?: number | undefined;
}

export interface Settings {
  readonly url: string;
  readonly managementUrl: string | undefined;
  /** Time to reach the broker, in milliseconds. Default 10,000. */
  readonly timeoutMs: number;
  readonly source: string | undefined;
  readonly system: System;
  /** Where the catalog and the topology come from, for people: a preset's name or a config file. */
  readonly origin: string;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/**
 * Order of precedence for the broker URL: `--url`; the profile named by `--profile`; `ATMA_EVENTS_URL`,
 * `RABBITMQ_URL`; the config's `url`; `embedded:`. A profile asked for by name beats the environment, so
 * that `--profile production` never talks to what a forgotten variable points at.
 */
export async function resolveSettings(
  input: SettingsInput,
  environment: Environment,
  directory: string,
): Promise<Settings> {
  const loaded = await loadConfig(directory, input.config);
  const config = loaded?.config;
  const profile = profileOf(config?.profiles, input.profile ?? environment.ATMA_EVENTS_PROFILE);
  const named = input.profile === undefined ? undefined : profile;
  const timeout = named?.timeout ?? profile?.timeout ?? config?.timeout;
  const presetName =
    input.preset ?? environment.ATMA_EVENTS_PRESET ?? config?.preset ?? (config?.events ? undefined : 'atma');
  return {
    url:
      input.url ??
      named?.url ??
      (environment.ATMA_EVENTS_URL || environment.RABBITMQ_URL || profile?.url || config?.url || DEFAULT_URL),
    managementUrl:
      named?.managementUrl ??
      (environment.RABBITMQ_MANAGEMENT_URL || profile?.managementUrl || config?.managementUrl || undefined),
    timeoutMs: input.timeoutMs ?? (timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDuration(timeout)),
    source: config?.source,
    system:
      presetName === undefined && config
        ? await systemOf(config)
        : presetOf(presetName ?? 'atma').build(environment),
    origin: presetName === undefined ? (loaded?.file ?? 'config') : `preset ${presetName}`,
  };
}

async function systemOf(config: ParsedConfig): Promise<System> {
  const { catalogOf, topologyOf } = await import('./config.js');
  return { catalog: catalogOf(config), topology: topologyOf(config) };
}

function presetOf(name: string) {
  const preset = PRESETS[name];
  if (preset) return preset;
  const near = closest(name, Object.keys(PRESETS));
  throw new EventsError('usage', `There is no preset "${name}"`, {
    hint: near ? `Did you mean "${near}"?` : `Presets: ${Object.keys(PRESETS).join(', ')}.`,
  });
}

function profileOf<P>(
  profiles: { readonly [name: string]: P } | undefined,
  name: string | undefined,
): P | undefined {
  if (name === undefined || name === '') return undefined;
  const profile = profiles?.[name];
  if (profile) return profile;
  const names = Object.keys(profiles ?? {});
  throw new EventsError('usage', `There is no profile "${name}" in the config`, {
    hint: names.length === 0 ? 'The config names no profiles.' : `Profiles: ${names.join(', ')}.`,
  });
}
