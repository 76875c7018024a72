/** The failure record of a delivery. */
import { furtherKeys } from './copies.js';
import type { FailureRecord } from './failure-record.js';
import type { InHand } from './in-hand.js';

type Failure = Pick<
  FailureRecord,
  'reason' | 'exception' | 'message' | 'stack' | 'fingerprint' | 'queue' | 'consumer' | 'lastFailedAt'
>;

/** `version`: of the schema that the catalog has for the event's type. */
export function recordOf(of: InHand, failure: Failure, version: number | undefined): FailureRecord {
  const { message, expiration, userId } = of.arrival;
  const cc = furtherKeys(message.properties.headers);
  return {
    ...failure,
    attempts: of.attempt,
    firstFailedAt: of.firstFailedAt ?? failure.lastFailedAt,
    exchange: message.exchange,
    routingKey: message.routingKey,
    ...(version !== undefined && { version }),
    ...(expiration !== undefined && { expiration }),
    ...(userId !== undefined && { userId }),
    ...(cc !== undefined && { cc }),
  };
}
