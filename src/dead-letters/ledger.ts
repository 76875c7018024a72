/**
 * The replays of this machine, on disk: which messages each of them claimed, and how far each message got. One file,
 * which several processes may use; what is claimed is flushed to disk before anything of it is published.
 */
import { EventsError } from '../core/errors.js';
import { type Database, inTransaction, type SqlRow } from '../storage/sqlite.js';
import { LedgerRows, STATES } from './ledger-rows.js';
import { openLedgerFile } from './ledger-schema.js';
import type { ReplayTarget } from './replay-types.js';

/**
 * | state | means |
 * |---|---|
 * | `running` | under way, or its process died: messages whose fate is open keep new replays of the queue from beginning |
 * | `stopped` | ended before its end (Ctrl-C, canary, errors) with nothing open: may be resumed, blocks nobody |
 * | `finished` | came to its end |
 * | `abandoned` | given up by an operator |
 */
export type ReplayState = 'running' | 'stopped' | 'finished' | 'abandoned';

/** One replay, as the ledger has it. */
export interface ReplayRecord {
  /** Eight letters and digits. */
  readonly id: string;
  /** `Transport.identity` of the broker: a queue of the same name on another one is another queue. */
  readonly broker: string;
  readonly queue: string;
  readonly target: ReplayTarget;
  /** What the caller gave to describe its selection; see `ReplayOptions.criteria`. */
  readonly criteria: string | undefined;
  readonly limit: number | undefined;
  /** Dead letters that were there when it began. */
  readonly total: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly state: ReplayState;
  /** Claimed, the confirm not seen: they may or may not have arrived. */
  readonly claimed: number;
  /** Confirmed, and perhaps still in the dead-letter queue. */
  readonly confirmed: number;
  /** Confirmed and gone from the dead-letter queue. */
  readonly settled: number;
  readonly skipped: number;
  /** Claimed, and later not in the dead-letter queue any more: somebody else took them, or they did arrive. */
  readonly missing: number;
  /** Of all: sent again because nobody could tell whether the first time had arrived. */
  readonly possibleDuplicates: number;
  /** Replayed messages that were seen to die again. */
  readonly boomeranged: number;
}

export type NewReplay = Pick<
  ReplayRecord,
  'id' | 'broker' | 'queue' | 'target' | 'criteria' | 'limit' | 'total' | 'startedAt'
>;

/** Finished replays are forgotten after 30 days. */
const KEPT_MS = 30 * 24 * 60 * 60 * 1_000;
const COLUMNS = `n, id, broker, queue, target, criteria, most, total, started, state, boomeranged`;

/** Opens the ledger, or creates it (file mode 0600, a folder it has to make 0700). Throws `storage`. */
export function openLedger(path: string): Ledger {
  return new Ledger(path, openLedgerFile(path));
}

export class Ledger {
  constructor(
    readonly path: string,
    private readonly database: Database,
  ) {}

  /** Undefined when there is no such replay. Ids are accepted in capitals, too. */
  find(id: string): ReplayRecord | undefined {
    return this.#select('WHERE id = ?', id.toLowerCase())[0];
  }

  /** The latest first. */
  list(): ReplayRecord[] {
    return this.#select('ORDER BY n DESC');
  }

  /** The replay that keeps new ones of this queue from beginning, if any: the one that is `running`. */
  unfinished(broker: string, queue: string): ReplayRecord | undefined {
    const where = "WHERE broker = ? AND queue = ? AND state = 'running' ORDER BY n DESC";
    return this.#select(where, broker, queue)[0];
  }

  /** Gives a replay up; false when it is unknown, or neither `running` nor `stopped`. */
  abandon(id: string): boolean {
    const abandon = "UPDATE replay SET state = 'abandoned' WHERE id = ? AND state IN ('running', 'stopped')";
    return this.#write(() => this.database.prepare(abandon).run(id.toLowerCase())) === 1;
  }

  /**
   * Writes a new replay down, `running`. What abandoned replays of this queue had confirmed becomes its own, and is not
   * sent again; what they had only claimed is known to be doubtful when this one claims it. Throws `queue-locked` when another one of the queue is `running`.
   */
  begin(replay: NewReplay): LedgerRows {
    const { id, broker, queue, target, criteria, limit, total, startedAt } = replay;
    return this.#write(() => {
      const other = this.unfinished(broker, queue);
      if (other !== undefined) throw unfinishedReplay(other);
      this.#forgetBefore(startedAt - KEPT_MS);
      this.database
        .prepare(
          `INSERT INTO replay (id, broker, queue, target, criteria, most, total, started, state, boomeranged)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'running', 0)`,
        )
        .run(id, broker, queue, JSON.stringify(target), criteria ?? null, limit ?? null, total, startedAt);
      const rows = this.#rowsOf(id);
      rows.adopt(broker, queue);
      return rows;
    });
  }

  /** Goes on with a replay: `running` again, its skipped messages forgotten, since they may fare better now. */
  reopen(id: string): LedgerRows {
    return this.#write(() => {
      this.database.prepare("UPDATE replay SET state = 'running' WHERE id = ?").run(id);
      const rows = this.#rowsOf(id);
      rows.forgetSkipped();
      return rows;
    });
  }

  /** Ends a run. `boomeranged` is added to what earlier runs saw. */
  end(id: string, state: ReplayState, boomeranged: number): void {
    this.#write(() =>
      this.database
        .prepare('UPDATE replay SET state = ?, boomeranged = boomeranged + ? WHERE id = ?')
        .run(state, boomeranged, id),
    );
  }

  /** Idempotent. */
  close(): void {
    this.database.close();
  }

  #rowsOf(id: string): LedgerRows {
    const n = this.database.prepare('SELECT n FROM replay WHERE id = ?').get(id)?.[0];
    return new LedgerRows(this.database, Number(n));
  }

  #write<T>(work: () => T): T {
    this.database.exec('PRAGMA synchronous = FULL');
    return inTransaction(this.database, work);
  }

  #forgetBefore(time: number): void {
    const old = "started < ? AND state <> 'running'";
    this.database
      .prepare(`DELETE FROM message WHERE replay IN (SELECT n FROM replay WHERE ${old})`)
      .run(time);
    this.database.prepare(`DELETE FROM replay WHERE ${old}`).run(time);
  }

  #select(where: string, ...values: string[]): ReplayRecord[] {
    const rows = this.database.prepare(`SELECT ${COLUMNS} FROM replay ${where}`).all(...values);
    return rows.map((row) => this.#record(row));
  }

  #record([
    n,
    id,
    broker,
    queue,
    target,
    criteria,
    limit,
    total,
    started,
    state,
    boomeranged,
  ]: SqlRow): ReplayRecord {
    const counts = new Map<number, number>();
    let possibleDuplicates = 0;
    const counting = 'SELECT state, count(*), total(doubt) FROM message WHERE replay = ? GROUP BY state';
    for (const [rowState, count, doubts] of this.database.prepare(counting).all(Number(n))) {
      counts.set(Number(rowState), Number(count));
      possibleDuplicates += Number(doubts);
    }
    return {
      id: String(id),
      broker: String(broker),
      queue: String(queue),
      target: JSON.parse(String(target)) as ReplayTarget,
      criteria: criteria === null ? undefined : String(criteria),
      limit: limit === null ? undefined : Number(limit),
      total: Number(total),
      startedAt: Number(started),
      state: String(state) as ReplayState,
      claimed: counts.get(STATES.claimed) ?? 0,
      confirmed: counts.get(STATES.confirmed) ?? 0,
      settled: counts.get(STATES.settled) ?? 0,
      skipped: counts.get(STATES.skipped) ?? 0,
      missing: counts.get(STATES.missing) ?? 0,
      possibleDuplicates,
      boomeranged: Number(boomeranged),
    };
  }
}

function unfinishedReplay({ id, queue }: ReplayRecord): EventsError {
  return new EventsError('queue-locked', `Replay ${id} of "${queue}" has not come to its end`, {
    hint: `Bring it to its end with replay-dlq --resume ${id}, or give it up with replay-dlq --abandon ${id}.`,
  });
}
