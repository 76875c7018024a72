/** Runs a handler in its span, and ends spans. */
import { type Context, context, type Span, SpanStatusCode, trace } from '@opentelemetry/api';
import { messageOf } from '../errors.js';
import { errorType } from './attributes.js';

/** Calls `fn` with the span active, and ends the span when `fn` has returned, thrown or settled its promise. */
export function runInSpan<T>(span: Span, parent: Context, fn: () => T): T {
  let result: T;
  try {
    result = context.with(trace.setSpan(parent, span), fn);
  } catch (error) {
    endSpan(span, error ?? new Error('the handler threw nothing'));
    throw error;
  }
  if (isThenable(result)) {
    result.then(
      () => endSpan(span, undefined),
      (error: unknown) => endSpan(span, error ?? new Error('the handler rejected with nothing')),
    );
  } else {
    endSpan(span, undefined);
  }
  return result;
}

/** Ends the span; with an error, as a failed one. */
export function endSpan(span: Span, error: unknown): void {
  if (error !== undefined) {
    span.setAttribute('error.type', errorType(error));
    span.recordException(error instanceof Error ? error : messageOf(error));
    span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error) });
  }
  span.end();
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
