/** compose.yaml and .env.example, read as Docker Compose and `node --env-file` read them. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { z } from 'zod';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const textOf = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

type Variables = Readonly<Record<string, string | undefined>>;

/** Of all that Compose knows, what compose.yaml uses; anything else fails to parse, so that a misspelt key is noticed. */
const service = z.strictObject({
  image: z.string(),
  build: z.literal('.').optional(),
  profiles: z.array(z.string()).optional(),
  hostname: z.string().optional(),
  command: z.array(z.string()).optional(),
  init: z.boolean().optional(),
  restart: z.literal('unless-stopped').optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  stop_signal: z.string().optional(),
  stop_grace_period: z.string().optional(),
  environment: z.record(z.string(), z.union([z.string(), z.number()]).transform(String)),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), z.strictObject({ condition: z.literal('service_healthy') })).default({}),
  healthcheck: z
    .strictObject({
      test: z.tuple([z.literal('CMD')], z.string()),
      interval: z.string(),
      timeout: z.string(),
      retries: z.number(),
      start_period: z.string(),
    })
    .optional(),
});

const compose = z.object({
  name: z.string(),
  services: z.record(z.string(), service),
  volumes: z.record(z.string(), z.null()),
});

export type ComposeService = z.infer<typeof service>;
export type ComposeFile = z.infer<typeof compose>;

/** As written, or as it is for these variables. */
export function readCompose(variables?: Variables): ComposeFile {
  // The parser is in the browser driver that the tests have anyway; merge keys (`<<`) are those of YAML 1.1.
  const { yaml }: { yaml: { parse(text: string, options: { merge: boolean }): unknown } } = createRequire(
    import.meta.url,
  )('playwright-core/lib/utilsBundle');
  const text = textOf('compose.yaml');
  const read = yaml.parse(text, { merge: true });
  return compose.parse(variables === undefined ? read : interpolated(read, variables));
}

const VARIABLE = /\$\{(\w+)(?::([-?])([^}]*))?\}/g;

export interface UsedVariable {
  readonly name: string;
  /** Undefined where there is none: then it is required, with a text that says so. */
  readonly default: string | undefined;
  readonly required: string | undefined;
}

export function variablesIn(text: string): UsedVariable[] {
  return [...text.matchAll(VARIABLE)].map(([, name = '', kind, rest]) => ({
    name,
    default: kind === '-' ? rest : undefined,
    required: kind === '?' ? rest : undefined,
  }));
}

/** `${NAME:-default}` and `${NAME:?text}`: the text is an error where the variable is not set, or empty. */
function interpolated(value: unknown, variables: Variables): unknown {
  if (typeof value === 'string') {
    return value.replace(VARIABLE, (_, name: string, kind: string | undefined, rest: string) => {
      const given = variables[name];
      if (given) return given;
      if (kind === '-') return rest;
      throw new Error(`${name}: ${rest}`);
    });
  }
  if (Array.isArray(value)) return value.map((each) => interpolated(each, variables));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, interpolated(each, variables)]));
}

export interface EnvExample {
  /** What it sets, as Node reads it. */
  readonly set: Readonly<Record<string, string>>;
  /** What it shows and does not set: `# NAME=value`. */
  readonly shown: Readonly<Record<string, string>>;
  /** Names in the order of the file, however often. */
  readonly names: readonly string[];
}

export function readEnvExample(): EnvExample {
  const text = textOf('.env.example');
  const assignments = [...text.matchAll(/^(# )?([A-Z][A-Z0-9_]*)=(.*)$/gm)];
  const set: Record<string, string> = {};
  for (const [name, value] of Object.entries(parseEnv(text))) if (value !== undefined) set[name] = value;
  return {
    set,
    shown: Object.fromEntries(
      assignments.filter(([, mark]) => mark).map(([, , name = '', value = '']) => [name, value]),
    ),
    names: assignments.map(([, , name = '']) => name),
  };
}
