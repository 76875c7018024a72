/** The table of an outbox: one row per message that has not been confirmed. */
import type { OutgoingMessage } from '../core/message.js';
import type { OutboxEntry } from '../core/publishing/outbox-store.js';
import { decodeExactly, encodeExactly } from './exact-json.js';
import type { OwnFile } from './own-file.js';
import { asBuffer, type Database } from './sqlite.js';

export const OUTBOX_FILE: OwnFile = {
  kind: 'an outbox',
  applicationId: 0x61746f62, // 'atob'
  version: 1,
  pageSize: 4096,
  otherPathHint: 'Give the outbox a path of its own, on a local disk.',
  // `head` holds all of the message but its body. Ids are given out by the process that has the file, in the order of the
  // appends; AUTOINCREMENT would write another page with every commit.
  tables:
    'CREATE TABLE entry (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, head NOT NULL, body BLOB NOT NULL);',
};

/** Bodies in one look, unless the first alone has more. */
const MOST_BYTES = 8 * 1024 * 1024;

/** A message but its body: text or blob. */
export type StoredHead = string | Uint8Array;

export interface OutboxTable {
  insert(id: number, at: number, head: StoredHead, body: Uint8Array): void;
  read(after: number, limit: number): OutboxEntry[];
  /** Returns how many there were. */
  remove(ids: readonly number[]): number;
  count(): number;
  lastId(): number;
  oldestAt(): number | undefined;
}

interface Head extends Pick<OutgoingMessage, 'exchange' | 'routingKey' | 'mandatory'> {
  readonly properties: Omit<OutgoingMessage['properties'], 'headers'>;
  readonly headers?: OutgoingMessage['properties']['headers'];
}

/** Throws what cannot be kept: headers that are no data. */
export function encodeHead({ exchange, routingKey, mandatory, properties }: OutgoingMessage): StoredHead {
  const { headers, ...rest } = properties;
  return encodeExactly({
    exchange,
    routingKey,
    properties: rest,
    ...(mandatory !== undefined && { mandatory }),
    ...(headers !== undefined && { headers }),
  });
}

function messageOf(head: Head, body: Buffer): OutgoingMessage {
  const { properties, headers, ...rest } = head;
  return { ...rest, body, properties: headers === undefined ? properties : { ...properties, headers } };
}

export function prepareOutboxTable(database: Database): OutboxTable {
  const insert = database.prepare('INSERT INTO entry VALUES (?, ?, ?, ?)');
  const sizes = database.prepare('SELECT id, length(body) FROM entry WHERE id > ? ORDER BY id LIMIT ?');
  const read = database.prepare('SELECT id, at, head, body FROM entry WHERE id > ? AND id <= ? ORDER BY id');
  const remove = database.prepare('DELETE FROM entry WHERE id BETWEEN ? AND ?');
  const count = database.prepare('SELECT count(*) FROM entry');
  const last = database.prepare('SELECT max(id) FROM entry');
  const oldest = database.prepare('SELECT at FROM entry ORDER BY id LIMIT 1');
  /** The last one that is to be read, without loading any body. */
  const lastToRead = (after: number, limit: number): number => {
    let bytes = 0;
    let end = after;
    for (const [id, size] of sizes.all(after, limit)) {
      bytes += Number(size);
      if (end > after && bytes > MOST_BYTES) break;
      end = Number(id);
    }
    return end;
  };
  return {
    insert: (id, at, head, body) => void insert.run(id, at, head, body),
    read: (after, limit) =>
      read.all(after, lastToRead(after, limit)).map(([id, at, head, body = null]) => ({
        id: Number(id),
        at: Number(at),
        message: messageOf(decodeExactly<Head>(head), asBuffer(body)),
      })),
    remove(ids) {
      let removed = 0;
      for (const [from, to] of rangesOf(ids)) removed += remove.run(from, to);
      return removed;
    },
    count: () => Number(count.get()?.[0] ?? 0),
    lastId: () => Number(last.get()?.[0] ?? 0),
    oldestAt() {
      const at = oldest.get()?.[0];
      return at === undefined ? undefined : Number(at);
    },
  };
}

/** Ids as ranges without holes: a burst that was confirmed is one statement. */
export function rangesOf(ids: readonly number[]): [from: number, to: number][] {
  const ranges: [number, number][] = [];
  for (const id of ids.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && id <= last[1] + 1) last[1] = id;
    else ranges.push([id, id]);
  }
  return ranges;
}
