/** A shadow mapping, ready for use: paths split, routes and receivers found in one step. */

import { type Path, splitPath } from '../core/dotted-path.js';
import {
  type FieldMapping,
  type LegMapping,
  type ParsedShadowMapping,
  parseShadowMapping,
  type ShadowMapping,
} from '../core/shadow-mapping.js';
import type { Topology } from '../core/topology/model.js';
import { matchesBindingKey } from '../core/topology/routing-key.js';
import { type KnownPaths, knownPaths } from './unmapped.js';
import { hashOf, type Tokenizer, tokenizerOf } from './values.js';

export type Side = 'callback' | 'event';

export interface FieldSide {
  /** Empty where a constant stands for the value. */
  readonly paths: readonly Path[];
  readonly constant: unknown;
}

export interface Field {
  readonly name: string;
  readonly callback: FieldSide;
  readonly event: FieldSide;
  readonly token: Tokenizer;
  /** 0 for exact. */
  readonly tolerance: number;
  readonly optional: boolean;
  readonly redacted: boolean;
}

export interface SideOfLeg {
  readonly job: readonly Path[];
  readonly attempt: readonly Path[];
  readonly tookMs: readonly Path[];
  readonly known: KnownPaths;
  /** Where values are that are never stored. */
  readonly redacted: readonly Path[];
}

/** One stratum: an event type at a consumer. */
export interface Leg {
  /** Its place in `legs`. */
  readonly index: number;
  readonly eventType: string;
  readonly consumer: string;
  readonly queue: string;
  readonly fact: string;
  readonly begins: boolean;
  readonly route: LegMapping['callback'];
  readonly callback: SideOfLeg;
  readonly event: SideOfLeg;
  readonly fields: readonly Field[];
  /** Index of the field that tells attempts apart, or -1. */
  readonly identity: number;
}

export interface Route {
  readonly leg: Leg;
  readonly method: string;
  /** The path is one of the aliases. */
  readonly alias: boolean;
}

/** Where an event of a type goes. */
export interface Receivers {
  /** Legs whose queue the event reaches. */
  readonly reached: readonly Leg[];
  /** Legs whose queue no binding leads to. */
  readonly unrouted: readonly Leg[];
  /** Consumers of the mapping that the event reaches though the mapping has no leg for its type. */
  readonly strangers: number;
}

export interface Mapping {
  readonly legs: readonly Leg[];
  /** Says whether another process used the same mapping. */
  readonly digest: string;
  routes(path: string): readonly Route[];
  receivers(exchange: string, routingKey: string, type: string): Receivers;
  /** The leg of the event that begins attempts at that consumer, if there is one. */
  begin(consumer: string): Leg | undefined;
  /** Legs of an event type at the consumer of a queue. */
  atQueue(queue: string, type: string): readonly Leg[];
}

/** Keys come from outside: what is remembered of them is bounded. */
const REMEMBERED_KEYS = 1_000;

/** Throws `config-invalid` when the mapping does not fit its schema. */
export function compileMapping(source: ShadowMapping, topology: Topology): Mapping {
  const parsed = parseShadowMapping(source);
  const legs = parsed.legs.map((leg, index) => compileLeg(leg, index, parsed.redact));
  const routes = legs.flatMap(routesOf);
  const byPath = new Map(routes.map(({ path }) => [path, routes.filter((each) => each.path === path)]));
  const begins = new Map(legs.filter((leg) => leg.begins).map((leg) => [leg.consumer, leg]));
  const queues = [...new Set(legs.map(({ queue }) => queue))];
  const remembered = new Map<string, Receivers>();

  const reaches = (queue: string, exchange: string, key: string) => {
    if (exchange === '') return queue === key;
    const type = topology.exchanges.find(({ name }) => name === exchange)?.type ?? 'topic';
    return topology.bindings.some(
      (binding) =>
        binding.queue === queue &&
        binding.exchange === exchange &&
        (type === 'fanout' || (type === 'topic' ? matchesBindingKey(binding.key, key) : binding.key === key)),
    );
  };
  const find = (exchange: string, key: string, type: string): Receivers => {
    const reached = queues.filter((queue) => reaches(queue, exchange, key));
    const own = legs.filter(({ eventType }) => eventType === type);
    return {
      reached: own.filter(({ queue }) => reached.includes(queue)),
      unrouted: own.filter(({ queue }) => !reached.includes(queue)),
      strangers: reached.filter((queue) => !own.some((leg) => leg.queue === queue)).length,
    };
  };
  return {
    legs,
    digest: hashOf(JSON.stringify(parsed)).toString(36),
    routes: (path) => byPath.get(path) ?? [],
    begin: (consumer) => begins.get(consumer),
    atQueue: (queue, type) => legs.filter((leg) => leg.queue === queue && leg.eventType === type),
    receivers(exchange, routingKey, type) {
      const key = `${exchange}\n${routingKey}\n${type}`;
      const known = remembered.get(key);
      if (known !== undefined) return known;
      if (remembered.size >= REMEMBERED_KEYS) remembered.clear();
      const found = find(exchange, routingKey, type);
      remembered.set(key, found);
      return found;
    },
  };
}

function compileLeg(leg: LegMapping, index: number, redact: ParsedShadowMapping['redact']): Leg {
  const fields = leg.fields.map((field) => compileField(field, redact));
  // A field that is redacted on one side has the same value on the other.
  const hidden = leg.fields.flatMap((field, at) =>
    fields[at]?.redacted ? [...pathsOf(field.callback), ...pathsOf(field.event)] : [],
  );
  const side = (which: Side): SideOfLeg => {
    const { job = [], attempt = [] } = leg[which] ?? {};
    const tookMs = which === 'event' ? (leg.event.tookMs ?? []) : [];
    const mapped = leg.fields.flatMap((field) => pathsOf(field[which]));
    return {
      job: job.map(splitPath),
      attempt: attempt.map(splitPath),
      tookMs: tookMs.map(splitPath),
      known: knownPaths([...job, ...attempt, ...mapped, ...leg.ignore[which]]),
      redacted: [...new Set([...redact, ...hidden])].map(splitPath),
    };
  };
  return {
    index,
    eventType: leg.eventType,
    consumer: leg.consumer,
    queue: leg.queue,
    fact: leg.fact ?? leg.eventType,
    begins: leg.begins,
    route: leg.callback,
    callback: side('callback'),
    event: side('event'),
    fields,
    identity: leg.fields.findIndex(({ identifies }) => identifies),
  };
}

function compileField(field: FieldMapping, redact: readonly string[]): Field {
  const { tolerance } = field;
  const covered = (path: string) =>
    redact.some((each) => path === each || path.startsWith(`${each}.`) || each.startsWith(`${path}.`));
  return {
    name: field.name,
    callback: fieldSide(field.callback),
    event: fieldSide(field.event),
    token: tokenizerOf(field),
    tolerance: tolerance === undefined ? 0 : 'number' in tolerance ? tolerance.number : tolerance.timeMs,
    optional: field.optional,
    redacted: [...pathsOf(field.callback), ...pathsOf(field.event)].some(covered),
  };
}

function fieldSide(side: FieldMapping[Side]): FieldSide {
  return Array.isArray(side)
    ? { paths: side.map(splitPath), constant: undefined }
    : { paths: [], constant: side.constant };
}

function pathsOf(side: FieldMapping[Side]): readonly string[] {
  return Array.isArray(side) ? side : [];
}

function routesOf(leg: Leg): (Route & { readonly path: string })[] {
  if (leg.route === undefined) return [];
  const { method, path, aliases } = leg.route;
  return [
    { leg, method, path, alias: false },
    ...aliases.map((alias) => ({ leg, method, path: alias, alias: true })),
  ];
}
