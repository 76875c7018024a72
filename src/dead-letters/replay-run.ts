/** One run of a replay: what becomes of each batch of dead letters. docs/dead-letters.md, "States". */
import { type EventsError, isEventsError } from '../core/errors.js';
import type { Settlement, Transport } from '../core/transport.js';
import type { DrainBatch, Taken } from './drain-types.js';
import type { LedgerRows, OpenRow, SkippedRow } from './ledger-rows.js';
import { outgoing, type ReplayContext } from './outgoing.js';
import type { Pacer } from './pacer.js';
import { recordConfirms } from './record-confirms.js';
import { missingTargets, type Plan, type Sending, skippedRow } from './replay-plan.js';
import type { ReplayStep } from './replay-steps.js';
import type { ReplayOptions, ReplayStop, SkipReason } from './replay-types.js';
import { type Outcome, sendAll } from './sending.js';
import { isReplayedBy } from './watch.js';

export interface RunContext extends Omit<ReplayContext, 'time'> {
  readonly edit: ReplayOptions['edit'];
  readonly signal: AbortSignal | undefined;
  readonly transport: Transport;
  readonly rows: LedgerRows;
  readonly pacer: Pacer;
  readonly now: () => number;
  readonly onStep: (step: ReplayStep) => void;
  /** Before anything of these is sent: deaths are watched. */
  readonly prepare: (sending: readonly Sending[]) => Promise<void>;
  readonly queueExists: (queue: string) => Promise<boolean>;
}

interface Confirmed {
  readonly seq: number;
  readonly taken: Taken;
}

/** In a row, whatever batches they are in. */
const MOST_ERRORS = 100;

export class ReplayRun {
  confirmed = 0;
  settled = 0;
  /** Only acks: what is expected and was not confirmed stays where it is, `unresolved`. */
  onlyAcks = false;
  unresolved = false;
  /** Messages of this replay that came by in the dead-letter queue. */
  boomerangs = 0;
  readonly skipped: { [reason in SkipReason]?: number } = {};
  stop: { readonly why: ReplayStop; readonly error?: EventsError } | undefined;
  /** Rows whose messages may come (again): by hash. */
  readonly #open = new Map<string, OpenRow[]>();
  #errorsInARow = 0;
  /** Resolved when everything of the batches before is with the transport: they are sent in the order of the queue. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly context: RunContext) {}

  expect(rows: readonly OpenRow[]): void {
    for (const row of rows) {
      const twins = this.#open.get(row.hash);
      if (twins === undefined) this.#open.set(row.hash, [row]);
      else twins.push(row);
    }
  }

  isExpected(hash: string): boolean {
    return this.#open.size > 0 && this.#open.has(hash);
  }

  /** Brings a batch to its end. What went wrong is in `stop`. */
  async handle(batch: DrainBatch): Promise<'go-on' | 'stop'> {
    const { context } = this;
    context.onStep('in-hand');
    const before = this.#turn;
    let pass: () => void = () => {};
    this.#turn = new Promise<void>((resolve) => {
      pass = resolve;
    });
    try {
      const plan = await this.#withTargets(batch, this.#plan(batch));
      await context.prepare(plan.sending);
      await before;
      if (this.onlyAcks || this.stop !== undefined || context.signal?.aborted) {
        for (const { taken } of plan.sending) batch.leave(taken);
        this.unresolved ||= plan.sending.length > 0;
        await this.#finish(batch, [], plan);
      } else {
        const seqs = this.#claim(plan);
        await this.#finish(batch, await this.#send(batch, plan.sending, seqs, pass), plan);
      }
    } catch (error) {
      if (!isEventsError(error)) throw error;
      this.end(stopFor(error), error);
    } finally {
      pass();
    }
    return this.stop === undefined && !context.signal?.aborted ? 'go-on' : 'stop';
  }

  end(why: ReplayStop, error?: EventsError): void {
    this.stop ??= error === undefined ? { why } : { why, error };
  }

  #plan(batch: DrainBatch): Plan {
    const { context } = this;
    const replay = { ...context, time: new Date(context.now()).toISOString() };
    const sending: Sending[] = [];
    const acks: Plan['acks'][number][] = [];
    const skipped: SkippedRow[] = [];
    for (const taken of batch.messages) {
      const { message } = taken.delivery;
      const known = this.#takeOpen(taken.hash);
      if (known?.state === 'confirmed') acks.push({ taken, confirmed: known.seq });
      // Settled, and brought back by the broker. Without an id it could be a twin of the same bytes: rather twice.
      else if (known === undefined && taken.cameBack && message.properties.messageId !== undefined)
        acks.push({ taken, confirmed: undefined });
      else if (known === undefined && isReplayedBy(context.id, message)) {
        this.boomerangs++;
        batch.leave(taken);
      } else {
        const copy = outgoing(message, replay);
        if (typeof copy !== 'string') {
          const edited = context.edit === undefined ? copy : context.edit(copy, message);
          sending.push({ taken, message: edited, claimed: known?.seq });
        } else {
          skipped.push(skippedRow(taken, copy));
          this.#skip(batch, taken, copy);
        }
      }
    }
    return { sending, acks, skipped };
  }

  /** Without those whose queue does not exist: nothing has to be sent to find that out. */
  async #withTargets(batch: DrainBatch, plan: Plan): Promise<Plan> {
    const isMissing = await missingTargets(plan, this.context.queueExists);
    if (isMissing === undefined) return plan;
    const skipped = plan.sending.filter(isMissing).map(({ taken }) => {
      this.#skip(batch, taken, 'queue-missing');
      return skippedRow(taken, 'queue-missing');
    });
    return {
      ...plan,
      sending: plan.sending.filter((each) => !isMissing(each)),
      skipped: [...plan.skipped, ...skipped],
    };
  }

  /** On disk before anything is sent. Returns the row of each. */
  #claim({ sending, skipped }: Plan): number[] {
    const fresh = sending.filter(({ claimed }) => claimed === undefined);
    const again = ascending(sending.flatMap(({ claimed }) => claimed ?? []));
    let seq = this.context.rows.claim(
      fresh.map(({ taken, message }) => ({
        hash: taken.hash,
        messageId: taken.delivery.message.properties.messageId,
        target: message.exchange === '' ? message.routingKey : `${message.exchange}/${message.routingKey}`,
        doubt: taken.cameBack,
      })),
      again,
      skipped,
    );
    this.context.onStep('claimed');
    return sending.map(({ claimed }) => claimed ?? seq++);
  }

  /** Those that the broker has confirmed; the others are left in the queue. */
  async #send(
    batch: DrainBatch,
    sending: readonly Sending[],
    seqs: readonly number[],
    onSent: () => void,
  ): Promise<Confirmed[]> {
    const { context } = this;
    const confirms = recordConfirms((indices) =>
      this.#record(() => context.rows.confirm(ascending(indices.map((index) => seqs[index] ?? 0)))),
    );
    const outcomes = await sendAll(
      context.transport,
      sending.map(({ message }) => message),
      {
        pacer: context.pacer,
        onSent() {
          onSent();
          context.onStep('published');
        },
        onConfirmed: confirms.add,
        mayGoAgain: (indices) =>
          this.#record(() => context.rows.claim([], ascending(indices.map((index) => seqs[index] ?? 0)), [])),
      },
    );
    context.onStep('confirm-seen');
    const confirmed: Confirmed[] = [];
    const refused: { readonly seq: number; readonly reason: SkipReason }[] = [];
    const unsent: number[] = [];
    for (const [index, outcome] of outcomes.entries()) {
      const seq = seqs[index];
      const taken = sending[index]?.taken;
      if (seq === undefined || taken === undefined) continue;
      this.#count(outcome);
      if (outcome.kind === 'confirmed') confirmed.push({ seq, taken });
      else if (outcome.kind === 'refused') {
        refused.push({ seq, reason: outcome.reason });
        this.#skip(batch, taken, outcome.reason);
      } else {
        if (outcome.kind === 'unsent') unsent.push(seq);
        batch.leave(taken);
      }
    }
    confirms.flush();
    this.#record(() => context.rows.release(refused, ascending(unsent)));
    context.onStep('confirmed');
    this.confirmed += confirmed.length;
    return confirmed;
  }

  /** What is confirmed leaves the dead-letter queue, and then the ledger's care. */
  async #finish(batch: DrainBatch, confirmed: readonly Confirmed[], { acks }: Plan): Promise<void> {
    const { context } = this;
    // On RabbitMQ one promise for many.
    const settling = new Set<Promise<Settlement>>();
    for (const { taken } of confirmed) settling.add(taken.delivery.ack());
    for (const { taken } of acks) settling.add(taken.delivery.ack());
    context.onStep('acked');
    const settlements = await Promise.all(settling);
    const synchronised = await batch.synchronise();
    const outcome = settlements.includes('lost') ? 'lost' : synchronised;
    context.onStep('synchronised');
    const rows = [
      ...confirmed.map(({ seq, taken }) => ({ seq, hash: taken.hash })),
      ...acks.flatMap(({ taken, confirmed: seq }) => (seq === undefined ? [] : [{ seq, hash: taken.hash }])),
    ];
    if (outcome === 'lost') {
      this.expect(rows.map((row) => ({ ...row, state: 'confirmed' })));
      return;
    }
    this.settled += rows.length;
    this.#record(() => context.rows.settle(ascending(rows.map(({ seq }) => seq))));
    context.onStep('settled');
  }

  /**
   * What has happened has happened, though the ledger cannot take it (a full disk): the message is acked nevertheless,
   * for in the queue it would be sent again. But nothing further is claimed.
   */
  #record(write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      if (!isEventsError(error)) throw error;
      this.end('errors', error);
      return false;
    }
  }

  #count(outcome: Outcome): void {
    if (outcome.kind === 'confirmed') this.#errorsInARow = 0;
    else if (outcome.kind !== 'refused') this.end(stopFor(outcome.error), outcome.error);
    else if (++this.#errorsInARow >= MOST_ERRORS) this.end('errors', outcome.error);
  }

  #skip(batch: DrainBatch, taken: Taken, reason: SkipReason): void {
    this.skipped[reason] = (this.skipped[reason] ?? 0) + 1;
    batch.leave(taken);
  }

  #takeOpen(hash: string): OpenRow | undefined {
    if (this.#open.size === 0) return undefined;
    const twins = this.#open.get(hash);
    const row = twins?.shift();
    if (twins?.length === 0) this.#open.delete(hash);
    return row;
  }
}

function ascending(seqs: number[]): number[] {
  return seqs.sort((a, b) => a - b);
}

/** Which end an error makes. */
export function stopFor(error: EventsError): ReplayStop {
  const ofTheBroker = ['unreachable', 'access-refused', 'closed', 'publish-unknown', 'queue-locked'];
  return ofTheBroker.includes(error.code) ? 'broker' : 'errors';
}
