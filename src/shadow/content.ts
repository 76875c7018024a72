/** Whether two observations say the same. */
import type { Field, Leg, Mapping } from './mapping.js';
import type { Observation } from './observation.js';
import { ABSENT } from './values.js';

/** The name under which reports tell that one path says completed and the other failed. */
export const OUTCOME_FIELD = 'outcome';

/** One field that differs, and its place in either leg's fields; -1 for the outcome itself. */
export interface DifferingField {
  readonly name: string;
  readonly ofCallback: number;
  readonly ofEvent: number;
}

function differs({ optional, tolerance }: Field, a: number, b: number): boolean {
  if (a === b) return false;
  if (a === ABSENT || b === ABSENT) return !optional;
  return tolerance === 0 || Math.abs(a - b) > tolerance;
}

/** Same leg, same content. On one path or across both. */
export function isSame(mapping: Mapping, a: Observation, b: Observation): boolean {
  if (a.leg !== b.leg) return false;
  const { fields } = legOf(mapping, a);
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i];
    if (field && differs(field, a.tokens[i] ?? ABSENT, b.tokens[i] ?? ABSENT)) return false;
  }
  return true;
}

/**
 * The fields in which a callback and an event differ. Of different outcomes, the outcome and what both legs map by one
 * name; a constant says no more than the outcome does.
 */
export function differencesOf(
  mapping: Mapping,
  callback: Observation,
  event: Observation,
): readonly DifferingField[] {
  const here = legOf(mapping, callback);
  if (callback.leg === event.leg) {
    return here.fields.flatMap((field, i) =>
      differs(field, callback.tokens[i] ?? ABSENT, event.tokens[i] ?? ABSENT)
        ? [{ name: field.name, ofCallback: i, ofEvent: i }]
        : [],
    );
  }
  const there = legOf(mapping, event);
  const common = here.fields.flatMap((field, ofCallback): DifferingField[] => {
    const ofEvent = there.fields.findIndex(({ name }) => name === field.name);
    const other = there.fields[ofEvent];
    if (other === undefined || isConstant(field) || isConstant(other)) return [];
    const differ = differs(field, callback.tokens[ofCallback] ?? ABSENT, event.tokens[ofEvent] ?? ABSENT);
    return differ ? [{ name: field.name, ofCallback, ofEvent }] : [];
  });
  return [{ name: OUTCOME_FIELD, ofCallback: -1, ofEvent: -1 }, ...common];
}

function isConstant({ callback, event }: Field): boolean {
  return callback.constant !== undefined || event.constant !== undefined;
}

export function legOf(mapping: Mapping, observation: Observation): Leg {
  const leg = mapping.legs[observation.leg];
  if (leg === undefined) throw new RangeError(`the mapping has no leg ${observation.leg}`);
  return leg;
}
