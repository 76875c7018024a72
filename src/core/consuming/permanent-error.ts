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

/** True for a `PermanentError`. Known by its name, too: the service may have two copies of this package. */
export function isPermanent(error: unknown): error is Error {
  return error instanceof PermanentError || (error instanceof Error && error.name === 'PermanentError');
}
