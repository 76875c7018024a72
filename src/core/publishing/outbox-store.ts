/** Where an outbox keeps what it was given: the contract. docs/outbox.md has the states and what a crash leaves behind. */
import type { OutgoingMessage } from '../message.js';

export interface OutboxEntry {
  /** Grows in the order of the appends. */
  readonly id: number;
  /** When it was appended, milliseconds since 1970. */
  readonly at: number;
  readonly message: OutgoingMessage;
}

export interface OutboxStore {
  /**
   * Resolves once the message is durable: neither the end of the process nor a power cut can take it away. Order of
   * calls is order of entries. Rejects with `storage` (a full disk, say), and with `publish-refused` for a message that
   * cannot be kept; then nothing of it is kept.
   */
  append(message: OutgoingMessage): Promise<void>;
  /**
   * Entries with an id above `after` in order, at most `limit`: fewer where they are large, but at least one when there is
   * one. Rejects with `storage`.
   */
  read(after: number, limit: number): Promise<readonly OutboxEntry[]>;
  /**
   * Forgets entries; those that are gone already are skipped. Resolved: it survives the end of the process; a power cut
   * may bring them back. Rejects with `storage`, and then all of them are still there.
   */
  remove(ids: readonly number[]): Promise<void>;
  /** Entries on disk, and when the first of them was appended (milliseconds since 1970). */
  state(): { readonly waiting: number; readonly oldestAt: number | undefined };
  /** Finishes what was asked, then frees the file; later calls reject with `closed`. Idempotent. */
  close(): Promise<void>;
}
