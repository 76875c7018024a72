/** Settings resolved once: options first, then a named profile, environment, project config, defaults. */
import { EventsError } from '../core/errors.js';
import { closest } from '../core/events/closest.js';
import { DEFAULT_BUDGET_MS, type ShadowPolicy } from '../core/shadow-policy.js';
import { PRESETS } from '../presets/index.js';
import type { Environment, System } from '../presets/preset.js';
import { DEFAULT_URL } from '../transports/index.js';
import type { ParsedConfig } from './config.js';
import { parseDuration } from './duration.js';
import { type FlagSettings, flagSettingsOf } from './flag-settings.js';
import { type LoadedConfig, loadConfig } from './load.js';

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
  /** How the verdict of shadow mode is reached. */
  readonly shadowPolicy: ShadowPolicy;
  /** The migration flag. */
  readonly flag: FlagSettings;
  /** Where the catalog and the topology come from, for people: a preset's name or a config file. */
  readonly origin: string;
}

const DEFAULT_TIMEOUT_MS = 10_000;

type Profile = ParsedConfig['profiles'][string];

/**
 * Order of precedence for the broker: `--url`; the profile named by `--profile` or `ATMA_EVENTS_PROFILE`;
 * `ATMA_EVENTS_URL`, `RABBITMQ_URL`; the config's `url`; `embedded:`. A profile asked for by name never falls
 * back to a variable: `--profile production` must not talk to what somebody has forgotten to unset.
 */
export async function resolveSettings(
  input: SettingsInput,
  environment: Environment,
  directory: string,
): Promise<Settings> {
  const loaded = await loadConfig(directory, input.config);
  const config = loaded?.config;
  const profile = profileOf(config?.profiles, input.profile ?? environment.ATMA_EVENTS_PROFILE);
  const timeout = profile?.timeout ?? config?.timeout;
  return {
    ...brokerOf(input, profile, environment, config),
    timeoutMs: input.timeoutMs ?? (timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDuration(timeout)),
    source: config?.source,
    shadowPolicy: await policyOf(config),
    flag: flagSettingsOf(loaded, environment, directory),
    ...(await systemOf(input.preset ?? (environment.ATMA_EVENTS_PRESET || undefined), loaded, environment)),
  };
}

/** The management API comes from where the URL comes from: one broker's password is not for another's host. */
function brokerOf(
  input: SettingsInput,
  profile: Profile | undefined,
  environment: Environment,
  config: ParsedConfig | undefined,
): Pick<Settings, 'url' | 'managementUrl'> {
  const ownManagement = environment.RABBITMQ_MANAGEMENT_URL || undefined;
  if (input.url !== undefined) return { url: input.url, managementUrl: ownManagement };
  if (profile !== undefined) {
    if (profile.url === undefined) {
      throw new EventsError('config-invalid', 'The profile names no url', {
        hint: 'Give the profile a url, or pass --url.',
      });
    }
    return { url: profile.url, managementUrl: profile.managementUrl };
  }
  const variable = environment.ATMA_EVENTS_URL || environment.RABBITMQ_URL;
  if (variable) return { url: variable, managementUrl: ownManagement };
  return { url: config?.url ?? DEFAULT_URL, managementUrl: config?.managementUrl ?? ownManagement };
}

async function systemOf(
  preset: string | undefined,
  loaded: LoadedConfig | undefined,
  environment: Environment,
): Promise<Pick<Settings, 'system' | 'origin'>> {
  const name = preset ?? loaded?.config.preset;
  const foreign = loaded?.config.deadLetterQueues ?? [];
  const mapping = loaded?.config.shadow;
  const shadow = mapping === undefined ? {} : { shadow: mapping };
  if (name === undefined && loaded && (loaded.config.events ?? loaded.config.topology) !== undefined) {
    const { catalogOf, topologyOf } = await import('./config.js');
    const { config, file } = loaded;
    return {
      system: {
        catalog: catalogOf(config),
        topology: topologyOf(config),
        deadLetterQueues: foreign,
        ...shadow,
      },
      origin: file,
    };
  }
  const chosen = name ?? 'atma';
  const system = presetOf(chosen).build(environment);
  const deadLetterQueues = [...new Set([...(system.deadLetterQueues ?? []), ...foreign])];
  return { system: { ...system, deadLetterQueues, ...shadow }, origin: `preset ${chosen}` };
}

async function policyOf(config: ParsedConfig | undefined): Promise<ShadowPolicy> {
  if (config?.shadowPolicy === undefined) return { strata: [], budgetMs: DEFAULT_BUDGET_MS };
  const { shadowPolicyOf } = await import('./config.js');
  return shadowPolicyOf(config.shadowPolicy);
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
