import type { Arguments, ExchangeSpec, QueueSpec } from './model.js';

/** One attribute that is not as declared. `undefined` means not set. */
export interface Difference {
  /** `type`, `durable`, `exclusive`, `autoDelete`, or the name of an argument. */
  readonly attribute: string;
  readonly desired: string | number | boolean | undefined;
  readonly actual: string | number | boolean | undefined;
}

/** What a transport found where the topology names an exchange, queue or binding. */
export type Observation =
  | { readonly state: 'absent' }
  | { readonly state: 'present'; readonly differences: readonly Difference[] }
  /** The broker would not say; `reason` tells why and what would make it. */
  | { readonly state: 'unknown'; readonly reason: string };

/** Observations in the order of the topology that was asked about. */
export interface TopologyObservation {
  readonly exchanges: readonly Observation[];
  readonly queues: readonly Observation[];
  readonly bindings: readonly Observation[];
}

export const ABSENT: Observation = { state: 'absent' };
export const AS_DECLARED: Observation = { state: 'present', differences: [] };

/** Compares an exchange as the broker describes it with the one declared. */
export function compareExchange(desired: ExchangeSpec, actual: ExchangeSpec): Observation {
  return present([
    ...compare(desired, actual, ['type', 'durable', 'autoDelete']),
    ...compareArguments(desired.arguments, actual.arguments),
  ]);
}

/** Compares a queue as the broker describes it with the one declared. */
export function compareQueue(desired: QueueSpec, actual: QueueSpec): Observation {
  return present([
    ...compare(desired, actual, ['durable', 'exclusive', 'autoDelete']),
    ...compareArguments(desired.arguments, actual.arguments),
  ]);
}

function present(differences: Difference[]): Observation {
  return { state: 'present', differences };
}

function compare<T, K extends keyof T & string>(
  desired: T,
  actual: T,
  attributes: readonly K[],
): Difference[] {
  return attributes
    .filter((attribute) => desired[attribute] !== actual[attribute])
    .map((attribute) => ({
      attribute,
      desired: desired[attribute] as string | boolean,
      actual: actual[attribute] as string | boolean,
    }));
}

function compareArguments(desired: Arguments, actual: Arguments): Difference[] {
  const names = [...new Set([...Object.keys(desired), ...Object.keys(actual)])].sort();
  return names
    .filter((name) => desired[name] !== actual[name])
    .map((name) => ({ attribute: name, desired: desired[name], actual: actual[name] }));
}
