import type { EventsError } from '../errors.js';

/**
 * Thrown by a handler when trying again cannot help (a customer that does not exist, a rule that forbids it): the event
 * goes to the dead-letter queue at once. Every other error is transient.
 */
export class PermanentError extends Error {
  /** `options.cause`: the error underneath, if there is one. */
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'PermanentError';
  }
}

const marked = new WeakSet<Error>();

/** The same error, which counts as permanent: one of ours, which has a code of its own to be known by. */
export function asPermanent(error: EventsError): EventsError {
  marked.add(error);
  return error;
}

/** True for a `PermanentError`. Known by its name, too: the service may have two copies of this package. */
export function isPermanent(error: unknown): error is Error {
  if (error instanceof Error && marked.has(error)) return true;
  return error instanceof PermanentError || (error instanceof Error && error.name === 'PermanentError');
}
