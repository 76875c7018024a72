/**
 * What a consumer did with a fact, as a line of JSON: `recordDelivery` writes it; `shadow run` and `shadow compare` read
 * it among the events. Field names are a public contract.
 */
import { z } from 'zod';
import { EventsError } from '../core/errors.js';
import { fieldIssues } from '../core/events/field-issues.js';

const recordSchema = z.looseObject({
  at: z.iso.datetime({ offset: true }),
  consumer: z.string().min(1),
  did: z.enum(['acked', 'applied']),
  via: z.enum(['callback', 'event']),
  type: z.string().min(1),
  messageId: z.string().nullish(),
  event: z.unknown().optional(),
});

export interface DeliveryRecord {
  /** When it was done, ISO 8601. */
  readonly at: string;
  /** Who did it, as the shadow mapping calls it. */
  readonly consumer: string;
  /** `acked`: the event was taken off the queue. `applied`: the fact had its effect (a status set, tokens refunded). */
  readonly did: 'acked' | 'applied';
  /** By which path the fact had come. */
  readonly via: 'callback' | 'event';
  /** Event type of the fact, also where it came by callback. */
  readonly type: string;
  readonly messageId?: string | null;
  /** The event's body, or as much of it as names the job and its result. */
  readonly event?: unknown;
}

/** Throws `input-invalid` with the fields that are wrong, and none of their content. */
export function parseDeliveryRecord(value: unknown): DeliveryRecord {
  const result = recordSchema.safeParse(value);
  if (result.success) return result.data as DeliveryRecord;
  throw new EventsError('input-invalid', 'Not a delivery record', {
    issues: fieldIssues(result.error.issues),
    hint: 'Expected {"at","consumer","did","via","type","event"}: a line that recordDelivery wrote.',
  });
}

/** One line, with its line feed. */
export function deliveryLine(record: DeliveryRecord): string {
  return `${JSON.stringify(record)}\n`;
}
