/** The open broker file of one transport: turns (write transactions), reads, and who hears of them. */
import { existsSync } from 'node:fs';
import { EventsError } from '../../core/errors.js';
import { retryWhileBusy } from '../../storage/busy.js';
import { isBusy } from '../../storage/errors.js';
import { type Database, inTransaction, type Statement } from '../../storage/sqlite.js';
import { Catalog, readCatalog, topologyVersion } from './catalog.js';
import { enforceLimits } from './limits.js';
import { openBrokerFile } from './schema.js';
import { Turn } from './turn.js';

export interface BrokerOptions {
  /** How long to try for a lock that others hold, in milliseconds, before `storage`. */
  readonly openTimeoutMs: number;
  readonly lockTimeoutMs: number;
  readonly now: () => number;
}

/** What a committed turn did that others may wait for. */
export interface News {
  /** Queues with messages that were not ready before. */
  readonly woken: ReadonlySet<number>;
  readonly topologyChanged: boolean;
}

const NOTHING_READ = new Catalog(-1, [], [], []);

export class Broker {
  readonly #path: string;
  readonly #options: BrokerOptions;
  readonly #statements = new Map<string, Statement>();
  readonly #listeners = new Set<(news: News) => void>();
  #database: Database | undefined;
  #opening: Promise<void> | undefined;
  #closed = false;
  #catalog = NOTHING_READ;
  /** SQLite's `synchronous` as last set; undefined before. */
  #durable: boolean | undefined;

  constructor(path: string, options: BrokerOptions) {
    this.#path = path;
    this.#options = options;
  }

  get path(): string {
    return this.#path;
  }

  now(): number {
    return this.#options.now();
  }

  /** Whether there is a broker file yet. Looking creates none. */
  exists(): boolean {
    return this.#database !== undefined || existsSync(this.#path);
  }

  /** Opens or creates the file, once. */
  async open(): Promise<void> {
    if (this.#database !== undefined) return;
    // What comes late (an ack, say) must not open the file again: nobody would close it.
    if (this.#closed) throw new EventsError('closed', `${this.#path} is closed`);
    this.#opening ??= retryWhileBusy(this.#path, this.#options.openTimeoutMs, () => {
      this.#database = openBrokerFile(this.#path);
    }).finally(() => {
      this.#opening = undefined;
    });
    await this.#opening;
  }

  /** Told after every commit that has news, in commit order. Returns how to stop being told. */
  onNews(listener: (news: News) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * One write transaction. `durable`: resolved means that it is on disk; otherwise that it survives this
   * process, and a power cut may undo it (never half of it). `work` may run more than once, so it must keep
   * its hands off everything but the turn. When the lock is free it runs before `write` returns.
   */
  async write<T>(durable: boolean, work: (turn: Turn) => T): Promise<T> {
    if (this.#database === undefined) await this.open();
    return retryWhileBusy(this.#path, this.#options.lockTimeoutMs, () => this.#commit(durable, work));
  }

  /** One consistent look at the file. */
  async read<T>(look: (prepare: (sql: string) => Statement, catalog: Catalog) => T): Promise<T> {
    if (this.#database === undefined) await this.open();
    return retryWhileBusy(this.#path, this.#options.lockTimeoutMs, () => {
      const database = this.#opened();
      database.exec('BEGIN');
      try {
        return look((sql) => this.#prepare(sql), this.#currentCatalog());
      } finally {
        database.exec('COMMIT');
      }
    });
  }

  /** Changes whenever another connection has committed. Undefined when the file is momentarily locked. */
  dataVersion(): unknown {
    try {
      return this.#prepare('PRAGMA data_version').get()?.[0];
    } catch (error) {
      if (isBusy(error)) return undefined;
      throw error;
    }
  }

  /** Closes the file; the last one out also tidies the write-ahead log away. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#opening?.catch(() => undefined);
    this.#listeners.clear();
    this.#statements.clear();
    this.#database?.close();
    this.#database = undefined;
  }

  #commit<T>(durable: boolean, work: (turn: Turn) => T): T {
    const database = this.#opened();
    if (this.#durable !== durable) {
      database.exec(durable ? 'PRAGMA synchronous = FULL' : 'PRAGMA synchronous = NORMAL');
      this.#durable = durable;
    }
    let turn: Turn | undefined;
    try {
      const result = inTransaction(database, () => {
        turn = new Turn((sql) => this.#prepare(sql), this.now(), {
          catalog: this.#currentCatalog(),
          reread: () => this.#reread(),
          enforceLimits,
        });
        const value = work(turn);
        turn.finish();
        return value;
      });
      if (turn !== undefined) this.#announce(turn);
      return result;
    } catch (error) {
      // What the turn read of its own, undone changes must not be taken for the file's.
      if (turn?.topologyChanged) this.#catalog = NOTHING_READ;
      throw error;
    }
  }

  #announce(turn: Turn): void {
    if (turn.woken.size === 0 && !turn.topologyChanged) return;
    for (const listener of this.#listeners) listener(turn);
  }

  #opened(): Database {
    if (this.#database === undefined) throw new EventsError('closed', `${this.#path} is closed`);
    return this.#database;
  }

  #currentCatalog(): Catalog {
    const version = topologyVersion((sql) => this.#prepare(sql));
    if (version !== this.#catalog.version) this.#catalog = readCatalog((sql) => this.#prepare(sql), version);
    return this.#catalog;
  }

  #reread(): Catalog {
    this.#catalog = NOTHING_READ;
    return this.#currentCatalog();
  }

  #prepare(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#opened().prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
