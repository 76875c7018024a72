/** The envelope: an event plus its metadata, independent of how it travels. */

export interface Envelope<Type extends string = string, Data = unknown> {
  /** Names this event for ever; a publish repeated after an unknown outcome keeps it. */
  readonly id: string;
  readonly type: Type;
  /** Schema version, from 1. */
  readonly version: number;
  /** When it happened, ISO 8601 in UTC with milliseconds. */
  readonly time: string;
  /** The service that published it, when it said so. */
  readonly source?: string;
  /** Same for all events of one business transaction. */
  readonly correlationId?: string;
  /** Id of the event that caused this one. */
  readonly causationId?: string;
  /** W3C Trace Context `traceparent` (https://www.w3.org/TR/trace-context/). */
  readonly traceparent?: string;
  /** W3C Trace Context `tracestate`. */
  readonly tracestate?: string;
  readonly data: Data;
}

/** Version 00 of W3C Trace Context: 00-<trace id>-<parent id>-<flags>, neither id all zeros. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** True for a `traceparent` that the recommendation allows. An invalid one is dropped, as it asks (section 4.2). */
export function isTraceparent(value: unknown): value is string {
  return typeof value === 'string' && TRACEPARENT.test(value);
}
