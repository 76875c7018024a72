/**
 * Trace context in envelopes. An envelope carries it in W3C form whatever propagator the service has registered
 * (there may be none, or one of another vendor's headers), so it is read and written here.
 */
import { createTraceState, isSpanContextValid, type SpanContext, type TraceState } from '@opentelemetry/api';
import { type Envelope, isTraceparent } from '../events/envelope.js';

/** The span that an envelope names, or undefined when it names none. */
export function spanContextOf(
  envelope: Pick<Envelope, 'traceparent' | 'tracestate'>,
): SpanContext | undefined {
  const { traceparent, tracestate } = envelope;
  if (traceparent === undefined || !isTraceparent(traceparent)) return undefined;
  return {
    traceId: traceparent.slice(3, 35),
    spanId: traceparent.slice(36, 52),
    traceFlags: Number.parseInt(traceparent.slice(53, 55), 16),
    isRemote: true,
    ...(tracestate !== undefined && { traceState: createTraceState(tracestate) }),
  };
}

/** The envelope with this span as its trace context; the same envelope when the span is none to refer to. */
export function withSpanContext(envelope: Envelope, context: SpanContext | undefined): Envelope {
  if (context === undefined || !isSpanContextValid(context)) return envelope;
  const { tracestate: _, ...rest } = envelope;
  const tracestate = serialised(context.traceState);
  const flags = context.traceFlags.toString(16).padStart(2, '0');
  return {
    ...rest,
    traceparent: `00-${context.traceId}-${context.spanId}-${flags}`,
    ...(tracestate !== undefined && { tracestate }),
  };
}

function serialised(state: TraceState | undefined): string | undefined {
  const text = state?.serialize();
  return text === '' ? undefined : text;
}
