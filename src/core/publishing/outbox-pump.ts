/**
 * Sends what is in an outbox: burst by burst, each handed over in one go once the one before it has its answers and what
 * was confirmed of it is removed. docs/outbox.md says why that keeps the order.
 */
import type { SetTimer } from '../consuming/timer.js';
import { EventsError, isEventsError } from '../errors.js';
import type { Transport } from '../transport.js';
import { type Burst, type Bursts, createBursts } from './outbox-bursts.js';
import { type HeldBack, type Lanes, laneOf } from './outbox-lanes.js';
import type { OutboxEntry, OutboxStore } from './outbox-store.js';
import { judgeFailure, type OutboxTrouble } from './outbox-trouble.js';

export interface PumpDeps {
  readonly window: number;
  readonly backoff: (tries: number) => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds of a clock that nobody sets. */
  readonly clock: () => number;
  readonly setTimer: SetTimer;
  /** `what`: the same for the same trouble. Told with every failure. Must not throw. */
  readonly onTrouble: (trouble: OutboxTrouble, what: string) => void;
}

/** Nothing is sent, or read, before it is due. */
interface Hold {
  readonly error: unknown;
  readonly since: number;
  readonly tries: number;
  readonly dueAt: number;
}

/** Times that an entry sent alone may end with nobody knowing, until it is taken for the reason. */
const MOST_UNKNOWN = 5;

export class OutboxPump {
  readonly #transport: Pick<Transport, 'publish'>;
  readonly #store: OutboxStore;
  readonly #lanes: Lanes;
  readonly #deps: PumpDeps;
  readonly #bursts: Bursts;
  /** Confirmed, and still in the file. */
  readonly #sent = new Set<number>();
  #line: Hold | undefined;
  #reading: Hold | undefined;
  #removing: Hold | undefined;
  /** The entry that was sent alone last and is of unknown fate, and how often in a row. */
  #unknown = { id: 0, times: 0 };
  #inFlight = 0;
  #finishing = false;
  #stopped = false;
  #woken = false;
  /** When there may be something to send again, though nothing new comes. */
  #resumeAt = 0;
  #endPause: () => void = () => {};
  #drains: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];
  readonly #running: Promise<void>;

  constructor(transport: Pick<Transport, 'publish'>, store: OutboxStore, lanes: Lanes, deps: PumpDeps) {
    this.#transport = transport;
    this.#store = store;
    this.#lanes = lanes;
    this.#deps = deps;
    this.#bursts = createBursts({
      store,
      lanes,
      window: deps.window,
      isSent: (id) => this.#sent.has(id),
    });
    this.#running = this.#run();
  }

  /** Handed to the transport, which has not answered. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** There may be something new. */
  wake(): void {
    this.#woken = true;
    this.#endPause();
  }

  /** Tries everything that waits once more, at once; resolves when no more can be sent now. */
  finish(): Promise<void> {
    this.#finishing = true;
    const dueAt = this.#deps.clock();
    this.#line &&= { ...this.#line, dueAt };
    this.#reading &&= { ...this.#reading, dueAt };
    this.#removing &&= { ...this.#removing, dueAt };
    this.#lanes.hurry();
    this.wake();
    return this.#running;
  }

  /** What is in flight is left to itself: the store is not touched any more. */
  stop(): void {
    this.#stopped = true;
    this.wake();
    for (const { reject } of this.#drains.splice(0)) reject(closed());
  }

  drained(): Promise<void> {
    if (this.#store.state().waiting === 0) return Promise.resolve();
    if (this.#stopped) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.#drains.push({ resolve, reject });
    });
  }

  trouble(): OutboxTrouble | undefined {
    if (this.#reading !== undefined) return { kind: 'read', ...this.#told(this.#reading) };
    if (this.#removing !== undefined) return { kind: 'remove', ...this.#told(this.#removing) };
    if (this.#line !== undefined) return { kind: 'line', ...this.#told(this.#line) };
    const held = this.#lanes.longest();
    return held && this.#troubleOf(held);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#woken = false;
      const burst = await this.#prepared();
      if (this.#stopped) return;
      if (burst !== undefined) await this.#send(burst);
      else if (this.#finishing) return;
      else await this.#pause();
    }
  }

  /** The next burst, once the last one is out of the file; undefined when there is nothing to be sent now. */
  async #prepared(): Promise<Burst | undefined> {
    await this.#removeSent();
    // Decided once: what is held now may be due by the time the pause begins.
    this.#resumeAt = Math.max(dueOf(this.#reading), dueOf(this.#line));
    if (this.#resumeAt > this.#deps.clock()) return undefined;
    try {
      const burst = await this.#bursts.next();
      this.#reading = undefined;
      this.#resumeAt = this.#lanes.nextDueAt() ?? NEVER;
      return burst;
    } catch (error) {
      if (this.#stopped) return undefined;
      this.#reading = this.#again(this.#reading, error);
      this.#resumeAt = this.#reading.dueAt;
      this.#deps.onTrouble({ kind: 'read', ...this.#told(this.#reading) }, `read ${codeOf(error)}`);
      return undefined;
    }
  }

  /** Where there is no room for that, sending goes on: what waits is worth more than that nothing comes twice. */
  async #removeSent(): Promise<void> {
    if (this.#sent.size === 0 || isHeld(this.#removing, this.#deps.clock())) return;
    try {
      await this.#store.remove([...this.#sent]);
    } catch (error) {
      if (this.#stopped) return;
      this.#removing = this.#again(this.#removing, error);
      this.#deps.onTrouble({ kind: 'remove', ...this.#told(this.#removing) }, `remove ${codeOf(error)}`);
      return;
    }
    this.#removing = undefined;
    this.#sent.clear();
    if (this.#store.state().waiting > 0) return;
    for (const { resolve } of this.#drains.splice(0)) resolve();
  }

  async #send({ entries, probe }: Burst): Promise<void> {
    this.#inFlight = entries.length;
    // Async: what a transport throws is one entry's failure, too.
    const publish = async ({ message }: OutboxEntry) => this.#transport.publish(message);
    const outcomes = await Promise.allSettled(entries.map(publish));
    this.#inFlight = 0;
    if (this.#stopped) return;
    let lineFailure: { readonly error: unknown; readonly id: number } | undefined;
    for (const [index, entry] of entries.entries()) {
      const outcome = outcomes[index];
      if (outcome?.status === 'fulfilled') this.#confirmed(entry, probe);
      else if (this.#isOfLine(entry, outcome?.reason, entries.length === 1)) {
        lineFailure ??= { error: outcome?.reason, id: entry.id };
      } else this.#tellHeld(this.#lanes.failed(entry, outcome?.reason));
    }
    if (outcomes.some(({ status }) => status === 'rejected')) this.#bursts.distrust();
    if (lineFailure === undefined) {
      this.#line = undefined;
      return;
    }
    if (!probe) this.#bursts.backTo(lineFailure.id);
    this.#line = this.#again(this.#line, lineFailure.error);
    const what = `line ${codeOf(lineFailure.error)}`;
    this.#deps.onTrouble({ kind: 'line', ...this.#told(this.#line) }, what);
  }

  #confirmed(entry: OutboxEntry, probe: boolean): void {
    this.#sent.add(entry.id);
    this.#bursts.proves(entry.message.exchange);
    if (!probe) return;
    const { from, aside } = this.#lanes.passed(entry);
    if (from !== undefined) this.#bursts.backTo(from);
    if (aside !== undefined) this.#tellHeld(aside);
  }

  /** Not where an entry that goes alone ends that way again and again: it may be what breaks the connection. */
  #isOfLine({ id }: OutboxEntry, error: unknown, alone: boolean): boolean {
    const { holds, maybeMessage } = judgeFailure(error);
    if (holds === 'lane') return false;
    if (!maybeMessage || !alone) return true;
    this.#unknown = { id, times: this.#unknown.id === id ? this.#unknown.times + 1 : 1 };
    return this.#unknown.times < MOST_UNKNOWN && !this.#lanes.isFirst(id);
  }

  /** Until something is due, or new. */
  async #pause(): Promise<void> {
    if (this.#woken) return;
    const { setTimer, clock } = this.#deps;
    const dueAt = Math.min(this.#resumeAt, this.#removing?.dueAt ?? NEVER);
    await new Promise<void>((resolve) => {
      const callOff = dueAt === NEVER ? () => {} : setTimer(resolve, Math.max(0, dueAt - clock()));
      this.#endPause = () => {
        callOff();
        resolve();
      };
    });
  }

  #again(before: Hold | undefined, error: unknown): Hold {
    const { now, clock, backoff } = this.#deps;
    const tries = (before?.tries ?? 0) + 1;
    return { error, since: before?.since ?? now(), tries, dueAt: clock() + backoff(tries) };
  }

  #told({ error, since, tries, dueAt }: Hold) {
    const nextTryMs = Math.max(0, dueAt - this.#deps.clock());
    return { error, since, tries, nextTryMs, waiting: this.#store.state().waiting };
  }

  #troubleOf(held: HeldBack): OutboxTrouble {
    const { kind, exchange, routingKey, messageId } = held;
    const told = this.#told(held);
    return kind === 'lane'
      ? { kind, exchange, routingKey, ...told }
      : { kind, exchange, routingKey, messageId, ...told };
  }

  #tellHeld(held: HeldBack): void {
    const what = held.kind === 'lane' ? laneOf(held) : held.id;
    this.#deps.onTrouble(this.#troubleOf(held), `${held.kind} ${codeOf(held.error)} ${what}`);
  }
}

const NEVER = Number.POSITIVE_INFINITY;
const dueOf = (hold: Hold | undefined): number => hold?.dueAt ?? 0;
const isHeld = (hold: Hold | undefined, time: number): boolean => dueOf(hold) > time;

function codeOf(error: unknown): string {
  return isEventsError(error) ? error.code : '';
}

function closed(): EventsError {
  return new EventsError('closed', 'The outbox was closed before all of it was sent');
}
