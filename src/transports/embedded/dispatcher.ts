/**
 * Hands messages to the readers (consumers and taps) of one transport and takes their settlements back:
 * what comes up in one turn of the event loop is settled and claimed in one transaction.
 */
import type { Settlement } from '../../core/transport.js';
import type { Broker } from './broker.js';
import { type Claimed, claim } from './claims.js';
import { countSettled, type Settling, settleAll } from './settle.js';
import type { Turn } from './turn.js';

export interface Reader {
  readonly queue: number;
  readonly queueName: string;
  /** Undefined: what is handed out is gone from the queue (taps). */
  readonly consumer: number | undefined;
  /** How many messages it can take now. */
  wanted(): number;
  /** `dropped`: how many the queue has dropped in all since it was declared. */
  take(claimed: readonly Claimed[], dropped: number): void;
  /** The queue is gone, and with it all that is in hand. */
  gone(): void;
  /** Nothing more will come. What is in hand can still be settled. */
  end(reason: Error): void;
}

/** Whose settlement it is, told before its promise settles. */
export interface Settler {
  /** The lease was gone. */
  lost(): void;
  /** It could not be stored: the delivery is as unsettled as before. */
  failed(error: unknown): void;
}

interface Waiting {
  readonly settling: Settling;
  readonly settler: Settler;
  readonly resolve: (settlement: Settlement) => void;
  readonly reject: (error: unknown) => void;
}

interface Handout {
  readonly reader: Reader;
  /** The queue has more that is ready. */
  readonly more: boolean;
  readonly claimed: readonly Claimed[];
  readonly dropped: number;
}

/** What one transaction came to. */
interface Committed {
  /** In the order of what waited. */
  readonly settlements: readonly Settlement[];
  readonly handouts: readonly Handout[];
}

/** Messages claimed at once for one reader. More would hold the write lock, and the memory, for long. */
const CLAIM_LIMIT = 1_000;

export class Dispatcher {
  readonly #broker: Broker;
  readonly #readers = new Set<Reader>();
  readonly #outcome: (error: unknown) => void;
  #waiting: Waiting[] = [];
  /** Called when what waited before them is settled. */
  #marks: (() => void)[] = [];
  /** Something may have become ready since the readers were last served. */
  #stirred = false;
  #running: Promise<void> | undefined;

  /** `outcome` is told how each transaction went: undefined for well. After an error, `stir` tries again. */
  constructor(broker: Broker, outcome: (error: unknown) => void) {
    this.#broker = broker;
    this.#outcome = outcome;
  }

  add(reader: Reader): void {
    this.#readers.add(reader);
    this.stir();
  }

  delete(reader: Reader): void {
    this.#readers.delete(reader);
  }

  /** Nobody gets anything any more. What is in hand can still be settled. */
  endAll(reason: Error): void {
    for (const reader of this.#readers) {
      this.#readers.delete(reader);
      reader.end(reason);
    }
  }

  /** There may be something to hand out. */
  stir(): void {
    if (this.#readers.size === 0) return;
    this.#stirred = true;
    this.#running ??= this.#run();
  }

  /** Rejects with `storage`: the delivery is then as unsettled as before. */
  settle(settling: Settling, settler: Settler): Promise<Settlement> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ settling, settler, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when every settlement so far is done. (Later ones may go on and on.) */
  flushed(): Promise<void> {
    return new Promise((resolve) => {
      this.#marks.push(resolve);
      this.#running ??= this.#run();
    });
  }

  async #run(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0 || this.#marks.length > 0 || this.#stirred) {
      const marks = this.#marks;
      this.#marks = [];
      await this.#serve();
      for (const passed of marks) passed();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#running = undefined;
  }

  async #serve(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    const hungry = this.#stirred ? [...this.#readers].filter((reader) => reader.wanted() > 0) : [];
    this.#stirred = false;
    let committed: Committed;
    try {
      if (waiting.length === 0 && !(await this.#anythingFor(hungry))) return;
      committed = await this.#commit(waiting, hungry);
    } catch (error) {
      for (const { settler, reject } of waiting) {
        settler.failed(error);
        reject(error);
      }
      this.#outcome(error);
      return;
    }
    // Outside of the try: nothing that fails from here on may undo what is committed.
    countSettled(waiting.map(({ settling }) => settling));
    for (const [index, { settler, resolve }] of waiting.entries()) {
      const settlement = committed.settlements[index] ?? 'lost';
      if (settlement === 'lost') settler.lost();
      resolve(settlement);
    }
    this.#outcome(undefined);
    for (const handout of committed.handouts) this.#deliver(handout);
  }

  #commit(waiting: readonly Waiting[], hungry: readonly Reader[]): Promise<Committed> {
    const batch = waiting.map(({ settling }) => settling);
    return this.#broker.write(false, (turn) => ({
      settlements: settleAll(turn, batch),
      handouts: hungry.map((reader) => handOut(turn, reader)),
    }));
  }

  /** Looks before locking: most stirs are not for these readers. Ends those whose queue is gone. */
  async #anythingFor(hungry: readonly Reader[]): Promise<boolean> {
    if (hungry.length === 0) return false;
    return this.#broker.read((prepare, catalog) => {
      const ready = prepare('SELECT 1 FROM lane WHERE queue = ? AND ready > 0 LIMIT 1');
      return hungry.some(({ queue }) => !catalog.queuesById.has(queue) || ready.get(queue) !== undefined);
    });
  }

  #deliver({ reader, claimed, dropped, more }: Handout): void {
    if (dropped < 0) {
      this.#readers.delete(reader);
      reader.gone();
      return;
    }
    reader.take(claimed, dropped);
    if (more && reader.wanted() > 0) this.stir();
  }
}

/** `dropped` -1 means that the queue is gone. */
function handOut(turn: Turn, reader: Reader): Handout {
  const queue = turn.catalog.queuesById.get(reader.queue);
  if (queue === undefined) return { reader, claimed: [], dropped: -1, more: false };
  const claimed = claim(turn, queue, reader.consumer, Math.min(reader.wanted(), CLAIM_LIMIT));
  const dropped =
    reader.consumer === undefined
      ? turn.prepare('SELECT dropped FROM queue WHERE id = ?').get(queue.id)?.[0]
      : 0;
  const more = turn.lanes(queue.id).some(({ ready }) => ready > 0);
  return { reader, claimed, dropped: Number(dropped), more };
}
