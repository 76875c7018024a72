/**
 * Records of what was decided about a delivery, so that whoever gets it again after a crash neither runs the handler nor
 * decides anew. Kept in the idempotency store; docs/consuming.md tells what each crash leaves behind.
 *
 * A record belongs to one delivery, not to the event for ever: a replayed or republished event must be handled again.
 * So its key has, beside queue, event id and attempt, a digest of what was delivered; and it is free again once the
 * broker has the ack of a first attempt (`spent-records.ts`). A message without an id has no records: two of the same
 * content may be two events.
 */
import { createHash, randomUUID } from 'node:crypto';
import { withoutDeliveryCount } from '../broker-headers.js';
import { type FailureRecord, isFailureRecord } from './failure-record.js';
import type { IdempotencyStore } from './idempotency.js';
import type { InHand } from './in-hand.js';
import type { RecordClaim } from './record-claim.js';

export type Decision =
  | {
      readonly kind: 'retry';
      /** How often the handler has failed. */
      readonly attempt: number;
      readonly delayMs: number;
      /** ISO 8601. */
      readonly firstFailedAt: string;
    }
  | { readonly kind: 'dead'; readonly record: FailureRecord }
  /** A retry copy whose handler resolved. */
  | { readonly kind: 'ok' };

/** What is to be done about a delivery on whose record `decide` has put a decision. */
export interface Claimed {
  /** To be carried out, or undefined when that has been done. */
  readonly decision: Decision | undefined;
  /** Somebody may have carried it out already. */
  readonly doubtful: boolean;
  /** To be completed; undefined when there is none, or it is another's. */
  readonly record: RecordClaim | undefined;
}

export interface Decisions {
  /** Whether there can be a record: only for what may have been in somebody's hands before. */
  mayExist(of: InHand): boolean;
  /** `decided`: carry it out again; `done`: just ack; undefined: nothing is known. */
  find(
    of: InHand,
  ): Promise<
    { readonly state: 'decided'; readonly claimed: Claimed } | { readonly state: 'done' } | undefined
  >;
  decide(of: InHand, decision: Decision): Promise<Claimed>;
  complete(of: InHand, record: RecordClaim): Promise<void>;
  /** Frees a record that is done. */
  forget(record: RecordClaim): Promise<unknown>;
}

/** A week: a redelivery may wait that long for somebody who consumes. */
const KEEP_MS = 7 * 24 * 3_600_000;
const NO_RECORD: Claimed = { decision: undefined, doubtful: false, record: undefined };

export function createDecisions(store: IdempotencyStore, queue: string): Decisions {
  const claim = ({ key, token }: RecordClaim, decision: Decision, evenUnknown: boolean) =>
    store.claim(key, { token, leaseMs: 0, note: JSON.stringify({ ...decision, token }), evenUnknown });

  return {
    mayExist: (of) => of.hasId && wasInHandBefore(of),

    async find(of) {
      const key = keyOf(queue, of);
      const found = await store.find(key);
      if (found.state === 'free') return undefined;
      if (found.state === 'done') {
        const token = readToken(found.note);
        if (token !== undefined) of.spent = spentAfter(of, { key, token });
        return { state: 'done' };
      }
      const decision = readDecision(found.note);
      if (decision === undefined) return undefined; // of another version: handled again
      const record = { key, token: randomUUID() };
      const claimed = await claim(record, decision, true);
      if (claimed.state === 'done') return { state: 'done' };
      return {
        state: 'decided',
        claimed: { decision, doubtful: true, record: claimed.state === 'claimed-now' ? record : undefined },
      };
    },

    async decide(of, decision) {
      if (!of.hasId) return { decision, doubtful: false, record: undefined };
      const record = { key: keyOf(queue, of), token: randomUUID() };
      const first = await claim(record, decision, false);
      if (first.state === 'claimed-now') return { decision, doubtful: false, record };
      // Somebody else got the same delivery (our connection was lost meanwhile) and was faster: their decision holds.
      // A first delivery nobody else can have had; the record is that of a twin, and cannot speak for this one.
      const other = wasInHandBefore(of) ? readDecision(first.note) : undefined;
      if (first.state === 'done') return other ? NO_RECORD : { decision, doubtful: true, record: undefined };
      const chosen = other ?? decision;
      const second = await claim(record, chosen, true);
      if (second.state === 'claimed-now') return { decision: chosen, doubtful: true, record };
      if (second.state === 'done' && other) return NO_RECORD;
      return { decision: chosen, doubtful: true, record: undefined };
    },

    async complete(of, record) {
      // False: somebody took the record over, and will find the copy published twice; they have it marked so.
      if (await store.complete(record.key, record.token, KEEP_MS)) of.spent = spentAfter(of, record);
    },

    forget: ({ key, token }) => store.complete(key, token, 0),
  };
}

/** That of a retry copy stays: its twin, if there is one, may come much later. */
function spentAfter(of: InHand, record: RecordClaim): RecordClaim | undefined {
  return of.arrival.attempt === 0 ? record : undefined;
}

function wasInHandBefore(of: InHand): boolean {
  return of.delivery.message.redelivered || of.arrival.attempt > 0;
}

/** `settle:<queue>:<event id>:<digest>:<attempt>`. The same for a redelivery, and for both of two retry copies. */
function keyOf(queue: string, { arrival }: InHand): string {
  const { exchange, routingKey, body, properties } = arrival.message;
  const { headers = {}, ...rest } = properties;
  const digest = createHash('sha256')
    // Quorum queues count deliveries in a header, which is another one each time.
    .update(JSON.stringify([exchange, routingKey, rest, withoutDeliveryCount(headers)]))
    .update(arrival.firstFailedAt ?? '')
    .update(body)
    .digest('hex');
  return `settle:${queue}:${properties.messageId}:${digest.slice(0, 16)}:${arrival.attempt}`;
}

function readNote(note: string): object | undefined {
  try {
    const value: unknown = JSON.parse(note);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined; // not ours
  }
}

/** Whose record it is: whoever acks the delivery after them frees it in their name. */
function readToken(note: string): string | undefined {
  const value = readNote(note);
  return value !== undefined && 'token' in value && typeof value.token === 'string' ? value.token : undefined;
}

/** A note that this version wrote, or undefined. */
function readDecision(note: string): Decision | undefined {
  const value = readNote(note);
  if (value === undefined || !('kind' in value)) return undefined;
  if (value.kind === 'ok') return { kind: 'ok' };
  if (value.kind === 'dead' && 'record' in value && isFailureRecord(value.record)) {
    return { kind: 'dead', record: value.record };
  }
  if (value.kind !== 'retry') return undefined;
  const { attempt, delayMs, firstFailedAt } = value as Record<string, unknown>;
  if (typeof attempt !== 'number' || typeof delayMs !== 'number' || typeof firstFailedAt !== 'string') {
    return undefined;
  }
  return { kind: 'retry', attempt, delayMs, firstFailedAt };
}
