/** The event catalog: which events exist, what their data look like, and where they are published. */
import type { z } from 'zod';
import { EventsError } from '../errors.js';
import { closest } from './closest.js';

/**
 * How an event's data become the JSON body.
 * - `data` (default): the body is the data; the envelope travels in message properties and headers.
 * - `flat`: the body is the data plus `eventType` and `timestamp`, as ATMA's services write it today.
 */
export type Wire = 'data' | 'flat';

export interface EventDefinition<Type extends string = string, Schema extends z.ZodType = z.ZodType> {
  /** `domain.action`, for example `analysis.completed`. */
  readonly type: Type;
  /** Version of the schema, from 1. A message without a version is version 1. */
  readonly version: number;
  /** Describes the data: what a publisher passes (its input) and what a handler gets (its output). */
  readonly schema: Schema;
  readonly exchange: string;
  readonly routingKey: string;
  readonly wire: Wire;
  readonly description: string;
  /** Data that fit the schema; shown by `events sample` and sent by `publish --sample`. */
  readonly sample: z.input<Schema> | undefined;
  /** Event id from data and time. Default: a random UUID. */
  readonly id: ((data: z.input<Schema>, time: Date) => string) | undefined;
  /**
   * Names the fact that the data tell, the same however often it is told: an effect happens once per fact. Default: the
   * event's id, so that every publish is a fact of its own.
   */
  readonly fact: ((data: z.input<Schema>) => string) | undefined;
  /** The job that the fact belongs to: jobs are what the percentages of a migration are of. Default: none. */
  readonly job: ((data: z.input<Schema>) => string | undefined) | undefined;
}

/** What `defineEvent` takes; everything but `type`, `schema` and `exchange` has a default. */
export interface EventInput<Type extends string, Schema extends z.ZodType> {
  readonly type: Type;
  readonly schema: Schema;
  readonly exchange: string;
  /** Default 1. */
  readonly version?: number;
  /** Default: the type. */
  readonly routingKey?: string;
  /** Default `data`. */
  readonly wire?: Wire;
  readonly description?: string;
  readonly sample?: z.input<Schema>;
  readonly id?: (data: z.input<Schema>, time: Date) => string;
  readonly fact?: (data: z.input<Schema>) => string;
  readonly job?: (data: z.input<Schema>) => string | undefined;
}

/** `domain.action` with at least one dot; words of letters, digits, `_` and `-`. */
export const EVENT_TYPE_PATTERN = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$/;

/** One event of a catalog, defaults filled in. Throws `config-invalid` on a type that is not `domain.action`. */
export function defineEvent<const Type extends string, Schema extends z.ZodType>(
  input: EventInput<Type, Schema>,
): EventDefinition<Type, Schema> {
  if (!EVENT_TYPE_PATTERN.test(input.type)) {
    throw new EventsError('config-invalid', `"${input.type}" is not an event type`, {
      hint: 'Event types are named domain.action, for example "analysis.completed".',
    });
  }
  return {
    version: 1,
    routingKey: input.type,
    wire: 'data',
    description: '',
    sample: undefined,
    id: undefined,
    fact: undefined,
    job: undefined,
    ...input,
  };
}

/** Event types and their schemas, for the compiler. */
export type EventMap = { readonly [type: string]: z.ZodType };

/** The map of a list of definitions. */
export type MapOf<Definitions extends readonly EventDefinition[]> = {
  readonly [D in Definitions[number] as D['type']]: D['schema'];
};

/** Data that a publisher passes for an event of type `T`. */
export type PublishedData<M extends EventMap, T extends keyof M> = z.input<M[T]>;
/** Data that a handler gets for an event of type `T`. */
export type ReceivedData<M extends EventMap, T extends keyof M> = z.output<M[T]>;

export interface Catalog<M extends EventMap = EventMap> {
  /** In order of definition. */
  readonly definitions: readonly EventDefinition[];
  /** The definition, or `event-unknown` with the closest known type. */
  get(type: string): EventDefinition;
  find(type: string): EventDefinition | undefined;
  /** Carries the types only; never there at run time. */
  readonly map?: M;
}

/** A catalog of these events. Two definitions of one type are `config-invalid`. */
export function defineCatalog<const Definitions extends readonly EventDefinition[]>(
  ...definitions: Definitions
): Catalog<MapOf<Definitions>> {
  const byType = new Map<string, EventDefinition>();
  for (const definition of definitions) {
    if (byType.has(definition.type)) {
      throw new EventsError('config-invalid', `The event "${definition.type}" is defined twice`);
    }
    byType.set(definition.type, definition);
  }
  return {
    definitions,
    find: (type) => byType.get(type),
    get(type) {
      const definition = byType.get(type);
      if (definition) return definition;
      throw unknownEvent(type, [...byType.keys()]);
    },
  };
}

function unknownEvent(type: string, known: string[]): EventsError {
  const near = closest(type, known);
  return new EventsError('event-unknown', `No event "${type}" in the catalog`, {
    hint: near ? `Did you mean "${near}"?` : `Known events: ${known.join(', ') || 'none'}.`,
  });
}
