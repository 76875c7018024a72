/** What becomes of an event whose handler failed. */
import { isEventsError } from '../errors.js';
import { describeError, type FailureReason, type FailureRecord, fingerprintOf } from './failure-record.js';
import { isPermanent } from './permanent-error.js';

export type Verdict =
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'dead'; readonly reason: FailureReason };

/**
 * | the handler threw | attempts left | verdict |
 * |---|---|---|
 * | a `PermanentError` | any | dead: `permanent` |
 * | an `EventsError` with code `effect-unknown` | any | dead: `effect-unknown` |
 * | anything else | yes | retry after `delayMs` |
 * | an `EventsError` with code `busy` | no | retry after `lastDelayMs`, where there is a ladder |
 * | anything else | no | dead: `exhausted` |
 *
 * Busy is no failure of the event: another has its key of `once`, or died with it and nobody can tell before the lease
 * has passed.
 */
export function verdictOn(
  error: unknown,
  delayMs: number | undefined,
  lastDelayMs: number | undefined,
): Verdict {
  if (isPermanent(error)) return { kind: 'dead', reason: 'permanent' };
  if (isEventsError(error, 'effect-unknown')) return { kind: 'dead', reason: 'effect-unknown' };
  const next = delayMs ?? (isEventsError(error, 'busy') ? lastDelayMs : undefined);
  return next === undefined ? { kind: 'dead', reason: 'exhausted' } : { kind: 'retry', delayMs: next };
}

/**
 * Whether the failure may lie in what the handler depends on, which is what the circuit breaker counts. A key of `once`
 * that another consumer holds says nothing about that.
 */
export function countsForCircuit(error: unknown, verdict: Verdict): boolean {
  if (verdict.kind === 'dead' && verdict.reason !== 'exhausted') return false;
  return !isEventsError(error, 'busy');
}

/** Name, message, stack and fingerprint of anything thrown. Never throws, whatever was thrown. */
export function describeFailure(
  error: unknown,
): Pick<FailureRecord, 'exception' | 'message' | 'stack' | 'fingerprint'> {
  try {
    const described = describeError(error);
    const { exception, message, stack } = described;
    if (typeof exception === 'string' && typeof message === 'string' && isTextOrNothing(stack))
      return { ...described, fingerprint: fingerprintOf(described) };
  } catch {
    // Told below: an error whose parts cannot be read is described by that.
  }
  const strange = { exception: typeof error, message: 'what was thrown cannot be described' };
  return { ...strange, fingerprint: fingerprintOf(strange) };
}

function isTextOrNothing(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}
