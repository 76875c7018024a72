/** The project's own config file: its shape, and how it becomes a catalog and a topology. No I/O. */
import { z } from 'zod';
import { EventsError, messageOf } from '../core/errors.js';
import {
  type Catalog,
  defineCatalog,
  defineEvent,
  type EventDefinition,
  type EventInput,
} from '../core/events/catalog.js';
import { closest } from '../core/events/closest.js';
import { fieldIssues } from '../core/events/field-issues.js';
import { shadowMappingSchema } from '../core/shadow-mapping.js';
import { DEFAULT_BUDGET_MS, type ShadowPolicy, strataPolicySchema } from '../core/shadow-policy.js';
import type { ExchangeSpec, QueueSpec, Topology } from '../core/topology/model.js';
import { isDuration, parseDuration } from './duration.js';

const args = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({});

const exchangeSchema = z.strictObject({
  name: z.string().min(1).max(255),
  type: z.enum(['topic', 'direct', 'fanout']),
  durable: z.boolean().default(true),
  autoDelete: z.boolean().default(false),
  arguments: args,
});

const queueSchema = z.strictObject({
  name: z.string().min(1).max(255),
  durable: z.boolean().default(true),
  exclusive: z.literal(false).default(false),
  autoDelete: z.boolean().default(false),
  arguments: args,
});

const bindingSchema = z
  .strictObject({
    exchange: z.string().min(1),
    queue: z.string().min(1),
    key: z.string().optional(),
    keys: z.array(z.string()).min(1).optional(),
  })
  .refine((binding) => (binding.key === undefined) !== (binding.keys === undefined), {
    error: 'give either "key" or "keys"',
  });

const duration = (example: string) =>
  z.string().refine(isDuration, { error: `expected a duration such as "${example}"` });

const connection = {
  /** Broker URL. */
  url: z.string().optional(),
  /** RabbitMQ management API. */
  managementUrl: z.string().optional(),
  /** Time allowed to reach the broker, such as "10s". */
  timeout: duration('10s').optional(),
};

const eventSchema = z.strictObject({
  type: z.string(),
  exchange: z.string().max(255),
  schema: z.custom<object>((value) => typeof value === 'object' && value !== null, {
    error: 'expected a zod schema or a JSON Schema object',
  }),
  version: z.int().min(1).optional(),
  routingKey: z.string().max(255).optional(),
  wire: z.enum(['data', 'flat']).optional(),
  description: z.string().optional(),
  sample: z.unknown().optional(),
  id: z
    .custom<(data: unknown, time: Date) => string>((value) => typeof value === 'function', {
      error: 'expected a function',
    })
    .optional(),
  fact: z
    .custom<(data: unknown) => string>((value) => typeof value === 'function', {
      error: 'expected a function',
    })
    .optional(),
  job: z
    .custom<(data: unknown) => string | undefined>((value) => typeof value === 'function', {
      error: 'expected a function',
    })
    .optional(),
});

const shadowPolicySchema = z.strictObject({
  /** How much later than its callback an event may come, such as "5s". Default one minute. */
  budget: duration('5s').optional(),
  strata: strataPolicySchema,
});

const flagSchema = z.strictObject({
  /** The flag file; relative to the config's folder. */
  file: z.string().min(1).optional(),
  /** Forward to `live` and beyond needs two people. Default false. */
  secondPerson: z.boolean().optional(),
  /** How old a SAFE verdict may be when a move relies on it, such as "1h". Default one hour. */
  verdictMaxAge: duration('1h').optional(),
  /** Jobs whose callbacks are still sent in `rampdown`, in percent. Default 10. */
  sample: z.int().min(0).max(100).optional(),
});

const configSchema = z
  .strictObject({
    preset: z.string().optional(),
    source: z.string().optional(),
    events: z.array(eventSchema).optional(),
    topology: z
      .strictObject({
        exchanges: z.array(exchangeSchema).default([]),
        queues: z.array(queueSchema).default([]),
        bindings: z.array(bindingSchema).default([]),
      })
      .optional(),
    /** Dead-letter queues of other software, for `dlq` and `replay-dlq`; also beside a preset. */
    deadLetterQueues: z.array(z.string().min(1).max(255)).optional(),
    /** Which callbacks the events replace, for shadow mode; also beside a preset, whose mapping it then replaces. */
    shadow: shadowMappingSchema.optional(),
    /** How the verdict of shadow mode is reached. */
    shadowPolicy: shadowPolicySchema.optional(),
    /** The migration flag: where it is, and what a move of it needs. */
    flag: flagSchema.optional(),
    profiles: z.record(z.string(), z.strictObject(connection)).default({}),
    ...connection,
  })
  .refine(({ preset, events, topology }) => preset === undefined || (events ?? topology) === undefined, {
    error: 'a config has either a preset or events and a topology of its own',
  });

/** A parsed config file. */
export type ParsedConfig = z.output<typeof configSchema>;

/** An event in a config file: what `defineEvent` takes or gives; its schema may also be a JSON Schema. */
export type ConfigEvent =
  | EventDefinition
  | EventInput<string, z.ZodType>
  | (Omit<EventInput<string, z.ZodType>, 'schema'> & { readonly schema: object });

/** What `atma-events.config.{ts,mjs,json}` holds; see docs/your-own-events.md. */
export type ProjectConfig = Omit<z.input<typeof configSchema>, 'events'> & {
  readonly events?: readonly ConfigEvent[];
};

/** Types a config file; returns it unchanged. */
export function defineConfig(config: ProjectConfig): ProjectConfig {
  return config;
}

/** Parses what a config file exports. Throws `config-invalid` with one issue per field. */
export function parseConfig(value: unknown, file: string): ParsedConfig {
  const result = configSchema.safeParse(value);
  if (result.success) return result.data;
  throw new EventsError('config-invalid', `${file} is not a valid config`, {
    issues: fieldIssues(result.error.issues),
    hint: 'docs/your-own-events.md shows a complete config file.',
  });
}

/** The catalog of a config's events; JSON Schemas are compiled. Throws `config-invalid`. */
export function catalogOf(config: ParsedConfig): Catalog {
  const definitions = (config.events ?? []).map(({ schema, ...event }) => {
    const given = Object.fromEntries(Object.entries(event).filter(([, value]) => value !== undefined));
    return defineEvent({
      ...(given as typeof event & { type: string }),
      schema: schemaOf(event.type, schema),
    } as EventInput<string, z.ZodType>);
  });
  return defineCatalog(...definitions);
}

function schemaOf(type: string, schema: object): z.ZodType {
  if (isZod(schema)) return schema;
  try {
    return z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
  } catch (error) {
    throw new EventsError(
      'config-invalid',
      `The JSON Schema of ${type} cannot be used: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

/** The topology of a config. Throws `config-invalid` when a binding names what the topology does not have. */
export function topologyOf(config: ParsedConfig): Topology {
  const { exchanges = [], queues = [], bindings = [] } = config.topology ?? {};
  for (const binding of bindings) {
    requireName('exchange', binding.exchange, exchanges);
    requireName('queue', binding.queue, queues);
  }
  return {
    exchanges,
    queues,
    bindings: bindings.flatMap(({ exchange, queue, key, keys }) =>
      (keys ?? [key ?? '']).map((each) => ({ exchange, queue, key: each })),
    ),
  };
}

/** The policy of a config. */
export function shadowPolicyOf({ budget, strata }: NonNullable<ParsedConfig['shadowPolicy']>): ShadowPolicy {
  return { strata, budgetMs: budget === undefined ? DEFAULT_BUDGET_MS : parseDuration(budget) };
}

function requireName(kind: string, name: string, specs: readonly (ExchangeSpec | QueueSpec)[]): void {
  const names = specs.map((spec) => spec.name);
  if (names.includes(name)) return;
  const near = closest(name, names);
  throw new EventsError(
    'config-invalid',
    `A binding names the ${kind} "${name}", which topology.${kind}s lacks`,
    {
      hint: near ? `Did you mean "${near}"?` : `Add it to topology.${kind}s.`,
    },
  );
}

function isZod(schema: object): schema is z.ZodType {
  return 'safeParse' in schema;
}
