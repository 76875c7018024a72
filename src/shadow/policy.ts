/** The policy of a run: what the project's config says, what options say, and whether it fits the mapping. */
import { EventsError } from '../core/errors.js';
import { closest } from '../core/events/closest.js';
import type { ShadowPolicy, StratumPolicy } from '../core/shadow-policy.js';
import type { Leg } from './mapping.js';
import { nameOf } from './reasons.js';

export type { ShadowPolicy, StratumPolicy } from '../core/shadow-policy.js';

/** The policy with the budget of an option, if one was given. Milliseconds. */
export function withBudget(policy: ShadowPolicy, budgetMs: number | undefined): ShadowPolicy {
  return budgetMs === undefined ? policy : { ...policy, budgetMs };
}

/** What the policy says of a leg; undefined for nothing. */
export function stratumPolicyOf(
  { strata }: ShadowPolicy,
  { eventType, consumer }: Pick<Leg, 'eventType' | 'consumer'>,
): StratumPolicy | undefined {
  return strata.find((each) => each.eventType === eventType && each.consumer === consumer);
}

/**
 * Throws `config-invalid` for a stratum that the mapping does not have: a waiver with a misspelt name would be taken for
 * one that is in force.
 */
export function checkPolicy(
  policy: ShadowPolicy,
  { legs }: { readonly legs: readonly Pick<Leg, 'eventType' | 'consumer'>[] },
): void {
  const names = legs.map(nameOf);
  for (const stratum of policy.strata) {
    const name = nameOf(stratum);
    if (names.includes(name)) continue;
    const near = closest(name, names);
    throw new EventsError('config-invalid', `shadowPolicy names "${name}", which the shadow mapping lacks`, {
      hint: near === undefined ? `The mapping has: ${names.join('; ')}.` : `Did you mean "${near}"?`,
    });
  }
}
