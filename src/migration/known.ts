/** What was asked for: the answer, or why there is none and what to do about that. */
import { isEventsError, messageOf } from '../core/errors.js';

export type Known<T> =
  | { readonly known: true; readonly value: T }
  | { readonly known: false; readonly why: string; readonly todo: string };

/**
 * The answer of `ask`, or the error that came instead: who decides must go on without it, and say so. Errors that are
 * none of ours are defects, and thrown.
 */
export async function knownFrom<T>(ask: () => Promise<T> | T, todo: string): Promise<Known<T>> {
  try {
    return { known: true, value: await ask() };
  } catch (error) {
    if (!isEventsError(error)) throw error;
    return { known: false, why: messageOf(error).replace(/\.$/, ''), todo: error.hint ?? todo };
  }
}
