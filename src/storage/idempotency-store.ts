/** An idempotency store in one SQLite file that the processes of one machine share. */
import { toUSVString } from 'node:util';
import type { IdempotencyStore } from '../core/consuming/idempotency.js';
import { EventsError } from '../core/errors.js';
import { retryWhileBusy } from './busy.js';
import { KEY_FILE, type KeyTable, prepareKeyTable } from './key-table.js';
import { openOwnFile } from './own-file.js';
import { type Database, inTransaction } from './sqlite.js';

export interface IdempotencyStoreOptions {
  /** Milliseconds since 1970; all processes that share the file must agree on it. Default `Date.now`. */
  readonly now?: () => number;
  /** How long an operation waits for a lock that others hold, in milliseconds, before it rejects. Default 30,000. */
  readonly lockTimeoutMs?: number;
  /**
   * Claims are flushed to disk before they resolve. Without, a power cut may undo the claims of the seconds before it:
   * effects that were under way then run again, and nobody is told. Default true.
   */
  readonly flushClaims?: boolean;
}

export interface FileIdempotencyStore extends IdempotencyStore {
  readonly path: string;
  /** Opens or creates the file, or rejects with `storage`. Calling it is optional. */
  open(): Promise<void>;
}

/**
 * Opens the file at its first use; creates it with mode 0600, and a missing folder with 0700. Every operation rejects
 * with `storage` when the file cannot be used, with `usage` for keys, tokens and times that cannot be, and with
 * `closed` after `close`.
 */
export function openIdempotencyStore(
  path: string,
  { now = Date.now, lockTimeoutMs = 30_000, flushClaims = true }: IdempotencyStoreOptions = {},
): FileIdempotencyStore {
  return new Store(path, { now, lockTimeoutMs, flushClaims });
}

/** Operations per transaction: a commit of that many takes 2 to 10 ms. */
const LARGEST_GROUP = 1_000;
/** What a group deletes of what has expired, per key that it claims: more than it adds. */
const PURGED_PER_CLAIM = 3;

/** What an operation needs: a look at the file, a commit, or a commit that is flushed to disk. */
type Need = 'look' | 'commit' | 'flush';

interface Pending {
  readonly need: Need;
  /** Runs in the transaction, maybe more than once; returns how to give the answer, once it is committed. */
  readonly work: (table: KeyTable, now: number) => () => void;
  readonly reject: (error: unknown) => void;
}

class Store implements FileIdempotencyStore {
  readonly path: string;
  readonly #options: Required<IdempotencyStoreOptions>;
  #pending: Pending[] = [];
  #running: Promise<void> | undefined;
  #opened: { readonly database: Database; readonly table: KeyTable } | undefined;
  #closing: Promise<void> | undefined;
  /** SQLite's `synchronous` as last set; undefined before. */
  #flushing: boolean | undefined;
  /** Keys that the group under way claims. */
  #claimed = 0;

  constructor(path: string, options: Required<IdempotencyStoreOptions>) {
    this.path = path;
    this.#options = options;
  }

  open(): Promise<void> {
    return this.#submit('look', () => undefined);
  }

  claim(...[key, claim]: Parameters<IdempotencyStore['claim']>): ReturnType<IdempotencyStore['claim']> {
    const wrong = wrongText(key, claim.token) ?? wrongTime(claim.leaseMs) ?? wrongNote(claim.note);
    if (wrong !== undefined) return Promise.reject(wrong);
    const need = this.#options.flushClaims ? 'flush' : 'commit';
    return this.#submit(need, (table, now) => {
      const answer = table.claim(storedKey(key), claim, now);
      if (answer.state === 'claimed-now') this.#claimed++;
      return answer;
    });
  }

  renew(key: string, token: string, leaseMs: number): Promise<boolean> {
    const wrong = wrongText(key, token) ?? wrongTime(leaseMs);
    if (wrong !== undefined) return Promise.reject(wrong);
    return this.#submit('commit', (table, now) => table.renew(storedKey(key), token, now + leaseMs));
  }

  complete(key: string, token: string, keepMs: number): Promise<boolean> {
    const wrong = wrongText(key, token) ?? wrongTime(keepMs);
    if (wrong !== undefined) return Promise.reject(wrong);
    // Not to be kept: a power cut may undo that, and then the key is done for as long as it was to be before.
    const need = keepMs > 0 ? 'flush' : 'commit';
    return this.#submit(need, (table, now) => table.complete(storedKey(key), token, now, now + keepMs));
  }

  release(key: string, token: string): Promise<boolean> {
    const wrong = wrongText(key, token);
    if (wrong !== undefined) return Promise.reject(wrong);
    return this.#submit('commit', (table) => table.release(storedKey(key), token));
  }

  find(key: string): ReturnType<IdempotencyStore['find']> {
    const wrong = wrongText(key, 'none');
    if (wrong !== undefined) return Promise.reject(wrong);
    return this.#submit('look', (table, now) => table.find(storedKey(key), now));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    this.#opened?.database.close();
    this.#opened = undefined;
  }

  #submit<T>(need: Need, work: (table: KeyTable, now: number) => T): Promise<T> {
    if (this.#closing !== undefined) {
      return Promise.reject(new EventsError('closed', `the idempotency store ${this.path} is closed`));
    }
    return new Promise((resolve, reject) => {
      this.#pending.push({
        need,
        work(table, now) {
          const answer = work(table, now);
          return () => resolve(answer);
        },
        reject,
      });
      this.#running ??= this.#run();
    });
  }

  async #run(): Promise<void> {
    do {
      // The rest of this turn of the event loop, and what follows from the last answers, joins the group.
      await new Promise((resolve) => setImmediate(resolve));
      const group = this.#pending.splice(0, LARGEST_GROUP);
      try {
        const { lockTimeoutMs } = this.#options;
        const answers = await retryWhileBusy(this.path, lockTimeoutMs, () => this.#commit(group));
        for (const answer of answers) answer();
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    } while (this.#pending.length > 0);
    this.#running = undefined;
  }

  /** All of the group in one transaction, in the order of the calls. */
  #commit(group: readonly Pending[]): (() => void)[] {
    const { database, table } = this.#file();
    const now = this.#options.now();
    const perform = () => group.map(({ work }) => work(table, now));
    if (group.every(({ need }) => need === 'look')) return looking(database, perform);
    this.#setFlushing(
      database,
      group.some(({ need }) => need === 'flush'),
    );
    return inTransaction(database, () => {
      this.#claimed = 0;
      const answers = perform();
      // Where nothing is claimed nothing is added; and what only found out must not fail on a full disk.
      if (this.#claimed > 0) table.purge(now, PURGED_PER_CLAIM * this.#claimed);
      return answers;
    });
  }

  #file(): { readonly database: Database; readonly table: KeyTable } {
    if (this.#opened === undefined) {
      const database = openOwnFile(this.path, KEY_FILE);
      this.#opened = { database, table: prepareKeyTable(database) };
    }
    return this.#opened;
  }

  #setFlushing(database: Database, on: boolean): void {
    if (this.#flushing === on) return;
    database.exec(on ? 'PRAGMA synchronous = FULL' : 'PRAGMA synchronous = NORMAL');
    this.#flushing = on;
  }
}

/** One consistent look, without the write lock. */
function looking<T>(database: Database, look: () => T): T {
  database.exec('BEGIN');
  try {
    return look();
  } finally {
    database.exec('COMMIT');
  }
}

/** SQLite in Node 22 would cut a text at a NUL character, and lone surrogates all become the same character. */
function isStorable(text: string): boolean {
  return !text.includes('\0') && toUSVString(text) === text;
}

/**
 * Keys hold ids that come from outside, so every text must do: those that SQLite would change are kept as JSON. So are
 * those that begin as JSON does, or two keys might become one.
 */
function storedKey(key: string): string {
  return isStorable(key) && !key.startsWith('"') ? key : JSON.stringify(key);
}

/** An empty key is what a missing id becomes, and would make all events without one the same. */
function wrongText(key: string, token: string): EventsError | undefined {
  if (key === '') return new EventsError('usage', 'the key of a claim must not be empty');
  if (token !== '' && isStorable(token)) return undefined;
  return new EventsError('usage', `${JSON.stringify(token)} cannot be the token of a claim`, {
    hint: 'It is well-formed text of at least one character, without NUL characters.',
  });
}

function wrongNote(note: string | undefined): EventsError | undefined {
  if (note === undefined || isStorable(note)) return undefined;
  return new EventsError('usage', 'the note of a claim must be well-formed text without NUL characters');
}

function wrongTime(ms: number): EventsError | undefined {
  if (ms >= 0) return undefined;
  return new EventsError('usage', `a lease or keeping time is 0 or more milliseconds, not ${ms}`);
}
