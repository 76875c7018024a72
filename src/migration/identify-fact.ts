/** Which fact some data tell, and of which job. */
import { randomUUID } from 'node:crypto';
import { EventsError, isEventsError, messageOf } from '../core/errors.js';
import type { EventDefinition } from '../core/events/catalog.js';
import { validate } from '../core/events/codec.js';
import { factKeyOf, jobKeyOf } from '../core/events/fact.js';

export interface IdentifiedFact {
  readonly fact: string;
  /** The same, where the catalog names it; undefined where the key is only the event's id. */
  readonly named: string | undefined;
  /** By which percentages are split; undefined where the event has none. */
  readonly job: string | undefined;
  /** The id that the event has to get, where the fact is known by it. */
  readonly id: string | undefined;
  /** Why the data cannot be published: `event-invalid`, or `config-invalid` when a function of the catalog failed. */
  readonly invalid: EventsError | undefined;
}

/**
 * Never throws: what cannot be published may still have to go out as callbacks. Its key is then the fact only where that
 * does not hang on what is missing: `completed:undefined` would be one key for all of them, and only the first of them
 * would have its effect. Else it is the event's id, as where the catalog names no fact.
 */
export function identifyFact(
  definition: EventDefinition,
  data: unknown,
  { id: given, time, randomId = randomUUID }: { id?: string; time: Date; randomId?: () => string },
): IdentifiedFact {
  let invalid: EventsError | undefined;
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      invalid ??= isEventsError(error) ? error : failedFunction(definition, error);
      return undefined;
    }
  };
  attempt(() => validate(definition, data));
  const job = attempt(() => jobKeyOf(definition, data));
  const named = attempt(() => namedFact(definition, data, invalid));
  if (named !== undefined) return { fact: named, named, job, id: given, invalid };
  const id = given ?? attempt(() => definition.id?.(data, time)) ?? randomId();
  return { fact: factKeyOf({ ...definition, fact: undefined }, data, id), named, job, id, invalid };
}

/** The fact by the catalog's name; undefined where it has none, or none that can be relied on. */
function namedFact(
  definition: EventDefinition,
  data: unknown,
  invalid: EventsError | undefined,
): string | undefined {
  if (definition.fact === undefined) return undefined;
  const fact = factKeyOf(definition, data, '');
  const missing = (invalid?.issues ?? []).map(({ path }) => path.split('.')[0] ?? '').filter(isMissing(data));
  if (missing.length === 0) return fact;
  if (missing.includes('')) return undefined;
  // Were the name to change with one of them, it would hang on it.
  const other = Object.fromEntries(missing.map((field) => [field, `not ${field}`]));
  return factKeyOf(definition, { ...(data as object), ...other }, '') === fact ? fact : undefined;
}

/** A text or number that does not fit the schema is still the worker's name for something. */
function isMissing(data: unknown): (field: string) => boolean {
  return (field) => {
    if (field === '' || typeof data !== 'object' || data === null) return true;
    const value: unknown = Reflect.get(data, field);
    return !(typeof value === 'number' || (typeof value === 'string' && value !== ''));
  };
}

function failedFunction({ type }: EventDefinition, cause: unknown): EventsError {
  const message = `A function of ${type} in the catalog failed: ${messageOf(cause)}`;
  return new EventsError('config-invalid', message, { cause });
}
