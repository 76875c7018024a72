/** What is to become of each message of a batch. */
import type { OutgoingMessage } from '../core/message.js';
import type { Taken } from './drain-types.js';
import type { SkippedRow } from './ledger-rows.js';
import type { SkipReason } from './replay-types.js';

/** A dead letter that is sent. */
export interface Sending {
  readonly taken: Taken;
  readonly message: OutgoingMessage;
  /** Its row when it was claimed before: it may have been sent then. */
  readonly claimed: number | undefined;
}

export interface Plan {
  readonly sending: readonly Sending[];
  /** Sent before, and only to be acked: with their rows, where there are any that are not settled. */
  readonly acks: readonly { readonly taken: Taken; readonly confirmed: number | undefined }[];
  readonly skipped: readonly SkippedRow[];
}

/**
 * Which of these go to a queue that does not exist: nothing has to be sent to find that out. What was claimed before is
 * not among them, for it may have been sent. Undefined: none.
 */
export async function missingTargets(
  { sending }: Plan,
  queueExists: (queue: string) => Promise<boolean>,
): Promise<((one: Sending) => boolean) | undefined> {
  const queues = new Set<string>();
  for (const { message } of sending) if (message.exchange === '') queues.add(message.routingKey);
  const missing = new Set<string>();
  for (const queue of queues) if (!(await queueExists(queue))) missing.add(queue);
  if (missing.size === 0) return undefined;
  return ({ message, claimed }) =>
    claimed === undefined && message.exchange === '' && missing.has(message.routingKey);
}

export function skippedRow({ hash, delivery }: Taken, reason: SkipReason): SkippedRow {
  return { hash, messageId: delivery.message.properties.messageId, reason };
}
