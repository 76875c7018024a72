/** An outbox in one SQLite file, of one process at a time. What it promises: `core/publishing/outbox-store.ts`. */
import { dirname } from 'node:path';
import { EventsError, messageOf } from '../core/errors.js';
import type { OutboxStore } from '../core/publishing/outbox-store.js';
import { flushFolderOf } from './append-file.js';
import { retryWhileBusy } from './busy.js';
import { isFull } from './errors.js';
import { type FileLock, openLocked } from './file-lock.js';
import {
  encodeHead,
  OUTBOX_FILE,
  type OutboxTable,
  prepareOutboxTable,
  type StoredHead,
} from './outbox-table.js';
import { type Database, inTransaction } from './sqlite.js';

export interface OutboxStoreOptions {
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
  /** How long an operation waits for a lock that somebody holds who looks into the file. Milliseconds, default 30,000. */
  readonly lockTimeoutMs?: number;
}

export interface FileOutboxStore extends OutboxStore {
  readonly path: string;
}

/**
 * Opens or creates the file (mode 0600, a missing folder 0700), and counts what waits in it: 0.1 s for 200,000 messages.
 * Throws `usage` while another has it, `storage` when it cannot be used.
 */
export function openOutboxStore(
  path: string,
  { now = Date.now, lockTimeoutMs = 30_000 }: OutboxStoreOptions = {},
): FileOutboxStore {
  const { database, lock } = openLocked(path, OUTBOX_FILE, {
    message: `Another process has the outbox ${path}`,
    hint: 'An outbox belongs to one process at a time: give each its own file, or end the other one first. When it ends, however it ends, the file is free.',
  });
  try {
    // What was promised to be on disk must be found there, too: the file's name, and that of a folder just made.
    flushFolderOf(path);
    flushFolderOf(dirname(path));
    return new Store(path, database, lock, { now, lockTimeoutMs });
  } catch (error) {
    database.close();
    lock.release();
    throw error;
  }
}

/** Appends per transaction, by number and by body bytes: a commit of that many takes 2 to 10 ms. */
const LARGEST_GROUP = 1_000;
const LARGEST_GROUP_BYTES = 8 * 1024 * 1024;

interface Answer {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Append extends Answer {
  readonly head: StoredHead;
  readonly body: Buffer;
}

interface Removal extends Answer {
  readonly ids: readonly number[];
}

class Store implements FileOutboxStore {
  readonly path: string;
  readonly #database: Database;
  readonly #lock: FileLock;
  readonly #options: Required<OutboxStoreOptions>;
  readonly #table: OutboxTable;
  #appends: Append[] = [];
  #removals: Removal[] = [];
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #closed = false;
  #lastId: number;
  #waiting: number;
  /** SQLite's `synchronous` as last set; undefined before. */
  #flushing: boolean | undefined;

  constructor(path: string, database: Database, lock: FileLock, options: Required<OutboxStoreOptions>) {
    this.path = path;
    this.#database = database;
    this.#lock = lock;
    this.#options = options;
    this.#table = prepareOutboxTable(database);
    this.#lastId = this.#table.lastId();
    this.#waiting = this.#table.count();
  }

  append(message: Parameters<OutboxStore['append']>[0]): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.#closedError());
    let head: StoredHead;
    try {
      head = encodeHead(message);
    } catch (error) {
      return Promise.reject(
        new EventsError('publish-refused', `The message cannot be kept: ${messageOf(error)}`, {
          hint: 'Its headers hold something that is no data, a function say.',
          cause: error,
        }),
      );
    }
    return new Promise((resolve, reject) => {
      this.#appends.push({ head, body: message.body, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async read(after: number, limit: number): ReturnType<OutboxStore['read']> {
    if (this.#closed) throw this.#closedError();
    return this.#table.read(after, limit);
  }

  remove(ids: readonly number[]): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.#closedError());
    return new Promise((resolve, reject) => {
      this.#removals.push({ ids, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  state(): ReturnType<OutboxStore['state']> {
    return { waiting: this.#waiting, oldestAt: this.#waiting === 0 ? undefined : this.#oldestAt() };
  }

  #oldestAt(): number | undefined {
    if (this.#closed) return undefined;
    try {
      return this.#table.oldestAt();
    } catch {
      return undefined; // a look at how things are must not fail; who reads the entries is told
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    this.#closed = true;
    this.#database.close();
    this.#lock.release();
  }

  async #run(): Promise<void> {
    do {
      // The rest of this turn of the event loop, and what follows from the last answers, joins the group.
      await new Promise((resolve) => setImmediate(resolve));
      const removals = this.#removals;
      this.#removals = [];
      // Apart, so that appends which find no room do not keep in the file what has been sent.
      await this.#perform(false, removals, () => {
        let removed = 0;
        for (const { ids } of removals) removed += this.#table.remove(ids);
        return () => {
          this.#waiting -= removed;
        };
      });
      const appends = this.#appends.splice(0, groupSize(this.#appends));
      await this.#perform(true, appends, () => {
        const at = this.#options.now();
        let id = this.#lastId;
        for (const { head, body } of appends) this.#table.insert(++id, at, head, body);
        return () => {
          this.#lastId = id;
          this.#waiting += appends.length;
        };
      });
    } while (this.#appends.length > 0 || this.#removals.length > 0);
    this.#running = undefined;
  }

  /** All of the group in one transaction; `work` returns what to note once it is committed. */
  async #perform(flushed: boolean, group: readonly Answer[], work: () => () => void): Promise<void> {
    if (group.length === 0) return;
    try {
      await retryWhileBusy(this.path, this.#options.lockTimeoutMs, () => {
        this.#setFlushing(flushed);
        try {
          inTransaction(this.#database, work)();
        } catch (error) {
          if (!isFull(error) || !this.#emptyLog()) throw error;
          inTransaction(this.#database, work)();
        }
      });
      for (const { resolve } of group) resolve();
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }

  /** The log may have room for all that is to be written, once what is in it has gone to the file. */
  #emptyLog(): boolean {
    try {
      return this.#database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.[0] === 0;
    } catch {
      return false; // no room for that either: the first error is the one to tell
    }
  }

  #setFlushing(on: boolean): void {
    if (this.#flushing === on) return;
    this.#database.exec(on ? 'PRAGMA synchronous = FULL' : 'PRAGMA synchronous = NORMAL');
    this.#flushing = on;
  }

  #closedError(): EventsError {
    return new EventsError('closed', `The outbox ${this.path} is closed`);
  }
}

/** How many of them fit into one transaction; at least one. */
function groupSize(appends: readonly Append[]): number {
  let bytes = 0;
  for (const [index, { body }] of appends.entries()) {
    bytes += body.length;
    if (index > 0 && (index >= LARGEST_GROUP || bytes > LARGEST_GROUP_BYTES)) return index;
  }
  return appends.length;
}
