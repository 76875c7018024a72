/** The messages of one replay in the ledger. */
import { asBuffer, type Database, inTransaction, type Statement } from '../storage/sqlite.js';
import type { SkipReason } from './replay-types.js';

export const STATES = { claimed: 1, confirmed: 2, settled: 3, skipped: 4, missing: 5 } as const;

export interface NewRow {
  readonly hash: string;
  readonly messageId: string | undefined;
  /** Where it goes: a queue, or exchange and routing key. */
  readonly target: string;
  /** It may have been sent before. */
  readonly doubt: boolean;
}

export interface SkippedRow extends Pick<NewRow, 'hash' | 'messageId'> {
  readonly reason: SkipReason;
}

/** A row whose message may still be in the dead-letter queue. */
export interface OpenRow {
  readonly seq: number;
  readonly hash: string;
  readonly state: 'claimed' | 'confirmed';
}

export class LedgerRows {
  #next: number;
  #indexed = false;
  /** Claimed by replays that were given up: nobody can tell whether they arrived. By hash. */
  readonly #doubtful = new Map<string, { readonly replay: number; readonly seq: number }[]>();
  readonly #claim: Statement;
  readonly #skip: Statement;

  constructor(
    private readonly database: Database,
    private readonly replay: number,
  ) {
    this.#next = Number(this.#one('SELECT coalesce(max(seq), 0) + 1 FROM message WHERE replay = ?'));
    this.#claim = database.prepare(
      `INSERT INTO message (replay, seq, hash, id, state, target, reason, doubt)
       VALUES (${replay}, ?, ?, ?, ${STATES.claimed}, ?, NULL, ?)`,
    );
    this.#skip = database.prepare(
      `INSERT INTO message (replay, seq, hash, id, state, target, reason, doubt)
       VALUES (${replay}, ?, ?, ?, ${STATES.skipped}, NULL, ?, 0)`,
    );
  }

  /**
   * On disk when it returns, power cut or not: `fresh` are claimed, `again` (claimed before) may be sent once more than
   * is known. Returns the first of consecutive numbers for `fresh`.
   */
  claim(fresh: readonly NewRow[], again: readonly number[], skipped: readonly SkippedRow[]): number {
    const first = this.#next;
    let seq = first;
    const flushed = fresh.length > 0 || again.length > 0;
    this.#write(flushed, () => {
      for (const { hash, messageId, target, doubt } of fresh) {
        const doubtful = this.#takeDoubtful(hash);
        const doubts = doubt || doubtful ? 1 : 0;
        this.#claim.run(seq++, Buffer.from(hash, 'hex'), messageId ?? null, target, doubts);
      }
      for (const { hash, messageId, reason } of skipped)
        this.#skip.run(seq++, Buffer.from(hash, 'hex'), messageId ?? null, reason);
      for (const [from, to] of runsOf(again)) this.#update('doubt = doubt + 1', from, to);
    });
    this.#next = seq;
    return first;
  }

  confirm(seqs: readonly number[]): void {
    this.#become(seqs, STATES.confirmed);
  }

  settle(seqs: readonly number[]): void {
    this.#become(seqs, STATES.settled);
  }

  /** What was claimed and refused by the broker, or surely never sent. */
  release(
    refused: readonly { readonly seq: number; readonly reason: SkipReason }[],
    unsent: readonly number[],
  ): void {
    if (refused.length === 0 && unsent.length === 0) return;
    const skip = this.database.prepare(
      `UPDATE message SET state = ${STATES.skipped}, reason = ? WHERE replay = ${this.replay} AND seq = ?`,
    );
    const drop = this.database.prepare(
      `DELETE FROM message WHERE replay = ${this.replay} AND seq BETWEEN ? AND ? AND doubt = 0`,
    );
    this.#write(false, () => {
      for (const { seq, reason } of refused) skip.run(reason, seq);
      for (const [from, to] of runsOf(unsent)) drop.run(from, to);
    });
  }

  /** Everything was looked at: what is open is not in the dead-letter queue any more. */
  closeOpen(): { readonly settled: number; readonly missing: number } {
    const become = this.database.prepare(
      `UPDATE message SET state = ? WHERE replay = ${this.replay} AND state = ?`,
    );
    return this.#write(true, () => ({
      settled: become.run(STATES.settled, STATES.confirmed),
      missing: become.run(STATES.missing, STATES.claimed),
    }));
  }

  open(): OpenRow[] {
    const rows = this.database
      .prepare(
        `SELECT seq, hash, state FROM message
         WHERE replay = ? AND state IN (${STATES.claimed}, ${STATES.confirmed}) ORDER BY seq`,
      )
      .all(this.replay);
    return rows.map(([seq, hash, state]) => ({
      seq: Number(seq),
      hash: asBuffer(hash).toString('hex'),
      state: state === STATES.claimed ? 'claimed' : 'confirmed',
    }));
  }

  /** Whether a message with this hash was settled. The first call may take a second: it makes an index. */
  isSettled(hash: string): boolean {
    if (!this.#indexed)
      this.database.exec('CREATE INDEX IF NOT EXISTS message_hash ON message (replay, hash)');
    this.#indexed = true;
    const found = this.database
      .prepare(`SELECT 1 FROM message WHERE replay = ? AND hash = ? AND state = ${STATES.settled} LIMIT 1`)
      .get(this.replay, Buffer.from(hash, 'hex'));
    return found !== undefined;
  }

  /** They may fare better now. What may have been sent before stays known. */
  forgetSkipped(): void {
    const skipped = `replay = ? AND state = ${STATES.skipped}`;
    this.database.prepare(`DELETE FROM message WHERE ${skipped} AND doubt = 0`).run(this.replay);
    this.database.prepare(`UPDATE message SET state = ${STATES.claimed} WHERE ${skipped}`).run(this.replay);
  }

  /**
   * Of what abandoned replays of the queue left open, takes over what was confirmed; the rest stays theirs until it is
   * claimed here. Inside the caller's transaction.
   */
  adopt(broker: string, queue: string): void {
    const left = this.database
      .prepare(
        `SELECT m.replay, m.seq, m.hash, m.state FROM replay r CROSS JOIN message m ON m.replay = r.n
         WHERE r.broker = ? AND r.queue = ? AND r.state = 'abandoned'
         AND m.state IN (${STATES.claimed}, ${STATES.confirmed})`,
      )
      .all(broker, queue);
    const move = this.database.prepare('UPDATE message SET replay = ?, seq = ? WHERE replay = ? AND seq = ?');
    for (const [replay = 0, seq = 0, hash, state] of left) {
      if (state === STATES.confirmed) move.run(this.replay, this.#next++, replay, seq);
      else {
        const key = asBuffer(hash).toString('hex');
        const twins = this.#doubtful.get(key) ?? [];
        this.#doubtful.set(key, [...twins, { replay: Number(replay), seq: Number(seq) }]);
      }
    }
  }

  /** Whether an abandoned replay may have sent this one; from now on it is ours. Inside a transaction. */
  #takeDoubtful(hash: string): boolean {
    if (this.#doubtful.size === 0) return false;
    const row = this.#doubtful.get(hash)?.shift();
    if (row === undefined) return false;
    this.database
      .prepare(`UPDATE message SET state = ${STATES.missing} WHERE replay = ? AND seq = ?`)
      .run(row.replay, row.seq);
    return true;
  }

  #become(seqs: readonly number[], state: number): void {
    if (seqs.length === 0) return;
    this.#write(false, () => {
      for (const [from, to] of runsOf(seqs)) this.#update(`state = ${state}`, from, to);
    });
  }

  #update(change: string, from: number, to: number): void {
    this.database
      .prepare(`UPDATE message SET ${change} WHERE replay = ? AND seq BETWEEN ? AND ?`)
      .run(this.replay, from, to);
  }

  #write<T>(flushed: boolean, work: () => T): T {
    // Of one log, the disk keeps the beginning: a state that a power cut takes back was reached after all claims before.
    this.database.exec(`PRAGMA synchronous = ${flushed ? 'FULL' : 'NORMAL'}`);
    return inTransaction(this.database, work);
  }

  #one(sql: string): unknown {
    return this.database.prepare(sql).get(this.replay)?.[0];
  }
}

/** First and last of each run of consecutive numbers, which are in ascending order. */
function* runsOf(seqs: readonly number[]): Generator<readonly [number, number]> {
  let from = seqs[0];
  if (from === undefined) return;
  let to = from;
  for (const seq of seqs) {
    if (seq > to + 1) {
      yield [from, to];
      from = seq;
    }
    to = seq;
  }
  yield [from, to];
}
