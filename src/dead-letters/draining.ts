/**
 * The course of one drain.
 *
 * | a message is | counted as | kept in memory |
 * |---|---|---|
 * | arrived, not looked at | nothing | yes, at most a prefetch of them |
 * | not selected, or left by its batch | held | no |
 * | selected, waiting or in work | in hand | yes |
 * | settled, and synchronised | gone | no |
 * | settled, and the connection went before it was synchronised | in doubt | its hash, until it comes again |
 *
 * The four counts together are the messages seen. When what is held leaves too few places in the prefetch, the
 * subscription is stopped (it goes on holding) and another one is opened.
 */
import type { ReceivedMessage } from '../core/message.js';
import type { Settlement, Transport } from '../core/transport.js';
import { Aftermath } from './aftermath.js';
import { Doubts } from './drain-doubts.js';
import { DrainSizes } from './drain-sizes.js';
import { type Arrival, isLost, Spans } from './drain-span.js';
import type { DrainBatch, DrainOptions, DrainResult, Taken } from './drain-types.js';
import { messageHash } from './message-hash.js';
import { Silence } from './silence.js';

interface InHand extends Taken, Arrival {}

interface Batch {
  readonly items: readonly InHand[];
  readonly left: Set<Taken>;
  outcome: Settlement | undefined;
}

const BATCH = 800;
const IN_WORK = 3;

export class Draining {
  readonly #spans: Spans;
  #arrivals: Arrival[] = [];
  #waiting: InHand[] = [];
  readonly #work = new Set<Batch>();
  /** Batches in work whose messages, or some of them, come again. */
  readonly #lostWork = new Set<Batch>();
  readonly #doubts = new Doubts();
  readonly #sizes: DrainSizes;
  #gone = 0;
  readonly #aftermath: Aftermath;
  #mayRepeat = false;
  #ending: DrainResult['ended'] | undefined;
  #failure: unknown;
  #wake: () => void = () => {};
  readonly #silence: Silence;

  constructor(
    private readonly transport: Transport,
    private readonly options: DrainOptions,
    private readonly handle: (batch: DrainBatch) => Promise<'go-on' | 'stop'>,
    private readonly total: number,
  ) {
    this.#sizes = new DrainSizes(options.window);
    this.#spans = new Spans(transport, options.queue, {
      onDelivery: (arrival) => this.#arrived(arrival),
      onLost: () => this.#lost(),
      onEnded: (error) => this.#fail(error),
    });
    for (const hash of options.before ?? []) this.#doubts.add(hash);
    this.#aftermath = new Aftermath({
      afterLoss: async () => options.afterLoss?.(),
      onChange: () => this.#wake(),
      onFailure: (error) => this.#fail(error),
    });
    if (this.#doubts.size > 0) this.#aftermath.begin();
    this.#mayRepeat = options.before !== undefined;
    this.#silence = new Silence({
      queue: options.queue,
      counts: () => transport.counts(options.queue),
      isListening: () => this.#room() > 0 && this.#work.size === 0,
      onEmpty: () => this.#wake(),
      onFailure: (error) => this.#fail(error),
    });
  }

  async run(): Promise<DrainResult> {
    const { signal } = this.options;
    const abort = () => this.#end('aborted');
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const ended = await this.#untilEnded();
      if (this.#failure !== undefined) throw this.#failure;
      return { total: this.total, seen: this.#seen(), gone: this.#gone + this.#doubts.size, ended };
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#silence.close();
      this.#aftermath.close();
      this.#arrivals = [];
      this.#waiting = [];
      await this.#spans.putBack();
    }
  }

  async #untilEnded(): Promise<DrainResult['ended']> {
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const ended = this.#ended();
      if (ended !== undefined) return ended;
      this.#look();
      this.#startBatches();
      // Looked at first: what is held decides whether places are left.
      if (this.#needsSpan()) await this.#nextSpan().catch((error: unknown) => this.#fail(error));
      else if (this.#ended() === undefined) await woken;
    }
  }

  /** What has arrived is selected or held. Not while a batch is in work whose messages come again. */
  #look(): void {
    const { select } = this.options;
    if (this.#ending !== undefined || this.#aftermath.isRecovering || this.#lostWork.size > 0) return;
    let at = 0;
    for (; at < this.#arrivals.length; at++) {
      const arrival = this.#arrivals[at];
      if (arrival === undefined || isLost(arrival)) continue;
      const full = this.#isFull();
      if (full && !this.#aftermath.isSearching(this.#doubts.size)) break;
      const { message } = arrival.delivery;
      this.#sizes.saw(message.body.length);
      const comesAgain = this.#recognise(message);
      if (comesAgain !== undefined) this.#take(arrival, comesAgain);
      else if (full) arrival.span.beyond++;
      else if (select === undefined || select(message))
        this.#take(arrival, { hash: messageHash(message), cameBack: false });
      else arrival.span.held++;
      if (!message.redelivered) this.#aftermath.cameFresh();
    }
    this.#arrivals.splice(0, at);
  }

  /** Only where something may come again: a hash of every message that is not selected would be wasted. */
  #recognise(message: ReceivedMessage): Pick<Taken, 'hash' | 'cameBack'> | undefined {
    const { cameBack } = this.options;
    const mayHaveComeBack = this.#mayRepeat && message.redelivered && cameBack !== undefined;
    if (this.#doubts.size === 0 && !mayHaveComeBack) return undefined;
    const hash = messageHash(message);
    const hasComeBack = mayHaveComeBack && cameBack(message, hash);
    if (this.#doubts.take(hash)) {
      this.#aftermath.stir();
      return { hash, cameBack: hasComeBack };
    }
    if (!hasComeBack) return undefined;
    this.#gone--;
    return { hash, cameBack: true };
  }

  #take({ delivery, span, epoch }: Arrival, { hash, cameBack }: Pick<Taken, 'hash' | 'cameBack'>): void {
    span.inHand++;
    this.#waiting.push({ delivery, span, epoch, hash, cameBack });
  }

  #startBatches(): void {
    const { batchSize = () => BATCH, inWork = IN_WORK } = this.options;
    while (this.#ending === undefined && this.#waiting.length > 0 && this.#work.size < inWork) {
      const size = Math.max(1, batchSize());
      // A part of a batch only when there is nothing else to do: each costs a flush to disk.
      if (this.#waiting.length < size && this.#work.size > 0) return;
      const batch: Batch = { items: this.#waiting.splice(0, size), left: new Set(), outcome: undefined };
      this.#work.add(batch);
      void this.#runBatch(batch);
    }
  }

  async #runBatch(batch: Batch): Promise<void> {
    try {
      const next = await this.handle({
        messages: batch.items,
        leave: (message) => void batch.left.add(message),
        synchronise: async () => {
          batch.outcome = await this.#synchronise(batch);
          return batch.outcome;
        },
        grown: () => this.#grown(),
      });
      if (next === 'stop') this.#end('stopped');
    } catch (error) {
      this.#fail(error);
    }
    this.#work.delete(batch);
    for (const item of batch.items) this.#done(batch, item);
    // From now on is looked again at what has come meanwhile.
    if (this.#lostWork.delete(batch) && this.#lostWork.size === 0) this.#aftermath.stir();
    this.options.onSeen?.(this.#seen(), this.total);
    this.#wake();
  }

  #done(batch: Batch, item: InHand): void {
    const lost = isLost(item);
    if (!lost) item.span.inHand--;
    if (batch.left.has(item)) {
      if (!lost) item.span.held++;
    } else if (batch.outcome === 'settled') this.#gone++;
    else this.#doubts.add(item.hash);
  }

  async #synchronise({ items }: Batch): Promise<Settlement> {
    const spans = [...new Set(items.map(({ span }) => span))];
    const answers = await Promise.all(spans.map((span) => span.synchronise()));
    // The transport tells a loss once, and every batch that had a part in it has to know.
    return answers.includes('lost') || items.some(isLost) ? 'lost' : 'settled';
  }

  #needsSpan(): boolean {
    const span = this.#spans.latest;
    if (this.#ending !== undefined || span === undefined) return this.#ending === undefined;
    if (this.#spans.count === 1 && !this.#sizes.isKnown(span.prefetch)) return false;
    return (
      this.#wanted() > this.#room() && span.prefetch - span.held - span.beyond < this.#sizes.window() / 2
    );
  }

  /** Further messages that this drain may take; as far as that is known beforehand. */
  #wanted(): number {
    const { limit = Infinity, select } = this.options;
    if (this.#aftermath.isSearching(this.#doubts.size)) return Infinity;
    const left = this.total - this.#seen();
    return select === undefined ? Math.min(left, limit - this.#taken()) : left;
  }

  async #nextSpan(): Promise<void> {
    const first = this.#spans.count === 0;
    const sizes = this.#sizes;
    const held = this.#spans.sum('held');
    await this.#spans.openNext(first ? sizes.firstPrefetch(this.#wanted()) : sizes.nextPrefetch(held));
  }

  /** Places of the latest prefetch that nothing has taken. */
  #room(): number {
    const span = this.#spans.latest;
    if (span === undefined) return 0;
    const arrived = this.#arrivals.filter((arrival) => arrival.span === span).length;
    return span.prefetch - span.held - span.beyond - span.inHand - arrived;
  }

  #arrived(arrival: Arrival): void {
    if (this.#ending === undefined) this.#arrivals.push(arrival);
    this.#silence.break();
    this.#wake();
  }

  #lost(): void {
    this.#arrivals = this.#arrivals.filter((arrival) => !isLost(arrival));
    this.#waiting = this.#waiting.filter((item) => !isLost(item));
    for (const batch of this.#work) if (batch.items.some(isLost)) this.#lostWork.add(batch);
    this.#mayRepeat = true;
    this.#silence.break();
    this.#aftermath.lost();
    this.#wake();
  }

  #ended(): DrainResult['ended'] | undefined {
    if (this.#work.size > 0) return undefined;
    if (this.#failure !== undefined) return 'stopped';
    if (this.#ending !== undefined) return this.#ending;
    if (this.#waiting.length > 0) return undefined;
    if (this.#aftermath.isWaiting(this.#doubts.size)) return undefined;
    if (this.#silence.isEmpty && this.#arrivals.length === 0) return 'all';
    if (this.#aftermath.isSearching(this.#doubts.size)) return undefined;
    if (!this.#isFull()) return undefined;
    return this.#seen() >= this.total ? 'all' : 'limit';
  }

  #isFull(): boolean {
    return this.#seen() >= this.total || this.#taken() >= (this.options.limit ?? Infinity);
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#end('stopped');
  }

  #end(ending: DrainResult['ended']): void {
    this.#ending ??= ending;
    this.#wake();
  }

  #seen(): number {
    return this.#spans.sum('held') + this.#taken();
  }

  #taken(): number {
    return this.#spans.sum('inHand') + this.#gone + this.#doubts.size;
  }

  async #grown(): Promise<number> {
    const ready = (await this.transport.counts(this.options.queue))?.ready ?? 0;
    const uncounted = this.#spans.sum('beyond') + this.#arrivals.length;
    return Math.max(0, ready + uncounted + this.#seen() - this.total);
  }
}
