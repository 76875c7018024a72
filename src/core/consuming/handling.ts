/**
 * What happens to each delivery: read as an event, wait for its lane, handler, and then ack, retry copy or dead letter.
 * States, and what a crash leaves behind in each: docs/consuming.md. Nothing in here throws, whatever handlers do.
 */
import { messageOf } from '../errors.js';
import type { Catalog } from '../events/catalog.js';
import { type Decoded, decode } from '../events/codec.js';
import type { Envelope } from '../events/envelope.js';
import { describeIssues } from '../events/field-issues.js';
import type { ReceivedMessage } from '../message.js';
import type { ConsumerTelemetry } from '../telemetry.js';
import type { Delivery } from '../transport.js';
import type { Circuit } from './circuit.js';
import type { ConsumerState } from './consumer.js';
import type { Decision, Decisions } from './decisions.js';
import type { Disposal } from './disposal.js';
import { type FailureRecord, fingerprintOf } from './failure-record.js';
import type { Handler } from './handler.js';
import { type CallSetting, HandlerCall } from './handler-call.js';
import type { Holding } from './holding.js';
import { type Epoch, InHand, type Session } from './in-hand.js';
import type { Ladder } from './ladder.js';
import { Lanes } from './lanes.js';
import { arrive } from './origin.js';
import type { OverdueWatch } from './overdue.js';
import { recordOf } from './record-of.js';
import { Resting, type RestingDeps } from './resting.js';
import { createSettling, type Settling } from './settling.js';
import type { SpentRecords } from './spent-records.js';
import { countsForCircuit, describeFailure, verdictOn } from './verdict.js';

export interface HandlingDeps extends RestingDeps {
  readonly queue: string;
  readonly consumerName: string;
  readonly catalog: Catalog;
  readonly handlers: ReadonlyMap<string, Handler<string, unknown> | undefined>;
  readonly concurrency: number;
  /** A delivery may have to wait for others, so its time in hand begins with its arrival. */
  readonly mayWait: boolean;
  readonly orderBy: ((event: Envelope) => string | undefined) | undefined;
  readonly ladder: Ladder;
  readonly decisions: Decisions | undefined;
  readonly spentRecords: SpentRecords | undefined;
  readonly disposal: Disposal;
  readonly holding: Holding;
  readonly circuit: Circuit | undefined;
  readonly telemetry: ConsumerTelemetry;
  readonly overdue: OverdueWatch<InHand>;
  readonly setting: CallSetting;
  /** Whether the circuit is to hear of this session: while half-open it wants to know of its probe only. */
  readonly isCurrent: (session: Session) => boolean;
}

export class Handling {
  readonly #deps: HandlingDeps;
  readonly #lanes: Lanes<InHand>;
  readonly #resting: Resting;
  readonly #settling: Settling;
  readonly #isDelayQueue: (queue: string) => boolean;

  constructor(deps: HandlingDeps) {
    this.#deps = deps;
    this.#lanes = new Lanes(deps.concurrency, (of) => this.#begin(of));
    this.#resting = new Resting(deps);
    this.#settling = createSettling(deps.holding, deps.overdue, deps.spentRecords);
    this.#isDelayQueue = deps.ladder.isDelayQueue;
  }

  state(): Pick<ConsumerState, 'running' | 'waiting' | 'resting'> {
    const { running, waiting } = this.#lanes;
    return { running, waiting, resting: this.#resting.count };
  }

  receive(delivery: Delivery, session: Session): void {
    const { catalog, handlers, telemetry, orderBy, mayWait } = this.#deps;
    session.inHand++;
    const of = new InHand(delivery, arrive(delivery.message, this.#isDelayQueue), session);
    if (session.retiring) {
      this.#settling.handBack(of);
      return;
    }
    if (of.isOnlyObserved) {
      telemetry.delivered(undefined, delivery.message.redelivered);
      this.#finish(of);
      return;
    }
    const decoded = read(catalog, of.arrival.message);
    telemetry.delivered(decoded.valid ? decoded.envelope : undefined, delivery.message.redelivered);
    if (!decoded.valid) {
      const version = decoded.type === undefined ? undefined : catalog.find(decoded.type)?.version;
      this.#refuse(of, 'invalid', 'InvalidEvent', describeIssues(decoded.errors), version);
      return;
    }
    const event = decoded.envelope;
    of.event = event;
    of.handler = handlers.get(event.type);
    if (of.handler === undefined) {
      this.#refuse(of, 'no-handler', 'NoHandler', `no handler for ${event.type}`, event.version);
      return;
    }
    if (orderBy !== undefined) this.#giveKey(of, event, orderBy);
    if (mayWait) this.#settling.watch(of);
    this.#lanes.enter(of);
    this.#lookForHalt(of);
  }

  /** Nothing of this session begins any more. */
  retire(session: Session): void {
    session.leftover.push(...this.#lanes.takeOut((of) => of.session === session));
  }

  /** What was not begun goes back, now that it does not come straight back. */
  handBackLeftover(session: Session): void {
    session.stopped = true;
    for (const of of session.leftover.splice(0)) this.#settling.handBack(of);
  }

  /** What was not begun will be delivered again. A key stays with who holds it: only what runs or rests gives it up. */
  forget(lost: Epoch): void {
    for (const of of this.#lanes.takeOut(({ epoch }) => epoch === lost)) this.#settling.handBack(of);
  }

  #giveKey(of: InHand, event: Envelope, orderBy: (event: Envelope) => string | undefined): void {
    try {
      of.key = orderBy(event);
    } catch (error) {
      of.keyError = { error };
    }
  }

  #begin(of: InHand): void {
    const { decisions } = this.#deps;
    if (of.epoch.gone || of.session.retiring) this.#end(() => this.#letGo(of));
    else if (decisions !== undefined && !of.lookedUp && decisions.mayExist(of))
      void this.#lookUp(of, decisions);
    else this.#run(of);
  }

  /** Somebody may have decided about it before: then the handler is not called. */
  async #lookUp(of: InHand, decisions: Decisions): Promise<void> {
    const { holding, disposal } = this.#deps;
    this.#settling.watch(of);
    of.lookedUp = true;
    let found: Awaited<ReturnType<Decisions['find']>>;
    const known = await holding.until(of, 'store', async () => {
      found = await decisions.find(of);
    });
    if (!known) this.#end(() => this.#letGo(of));
    else if (found === undefined) this.#begin(of);
    else if (found.state === 'done') this.#end(() => this.#finish(of));
    else {
      const { claimed } = found;
      this.#end(() => this.#dispose(of, disposal.carryOutClaimed(of, claimed)));
    }
  }

  #run(of: InHand): void {
    const { event, handler, keyError } = of;
    const { telemetry, setting } = this.#deps;
    if (event === undefined || handler === undefined) return; // it would not have come here
    const startedAt = performance.now();
    let result: unknown;
    try {
      if (keyError !== undefined) throw keyError.error;
      const call = new HandlerCall(of, setting);
      result = telemetry.run(event, of.arrival.message, () => handler(event, call));
    } catch (error) {
      this.#failed(of, error, startedAt);
      return;
    }
    // A handler that returns nothing is done in the same turn: no promise for it.
    if (result === undefined) {
      this.#succeeded(of, event, startedAt);
      return;
    }
    this.#settling.watch(of);
    Promise.resolve(result).then(
      () => this.#succeeded(of, event, startedAt),
      (error: unknown) => this.#failed(of, error, startedAt),
    );
  }

  #succeeded(of: InHand, event: Envelope, startedAt: number): void {
    const { telemetry, circuit, isCurrent, decisions, disposal } = this.#deps;
    telemetry.processed(performance.now() - startedAt, 'done', event);
    if (isCurrent(of.session)) circuit?.succeeded();
    if (decisions !== undefined && of.arrival.attempt > 0 && !of.epoch.gone) {
      this.#end(() => this.#dispose(of, disposal.carryOut(of, { kind: 'ok' })));
    } else {
      this.#end(() => this.#finish(of));
    }
  }

  #failed(of: InHand, error: unknown, startedAt: number): void {
    const { ladder, orderBy, telemetry, circuit, isCurrent, now, disposal } = this.#deps;
    // Lost, or told to end by its signal: that is no verdict on the event.
    if (of.epoch.gone) {
      this.#end(() => this.#letGo(of));
      return;
    }
    const failedAt = new Date(now()).toISOString();
    of.attempt++;
    of.firstFailedAt ??= failedAt;
    const verdict = verdictOn(error, ladder.delayAfter(of.attempt), ladder.delaysMs.at(-1));
    telemetry.processed(performance.now() - startedAt, verdict.kind, {
      error,
      ...(of.event !== undefined && { type: of.event.type }),
      ...(verdict.kind === 'dead' && { reason: verdict.reason }),
    });
    if (isCurrent(of.session) && countsForCircuit(error, verdict)) circuit?.failed(error);
    if (verdict.kind === 'retry' && orderBy !== undefined) {
      this.#end(() => void this.#rest(of, verdict.delayMs, error));
      this.#lookForHalt(of);
      return;
    }
    const decision: Decision =
      verdict.kind === 'retry'
        ? { kind: 'retry', attempt: of.attempt, delayMs: verdict.delayMs, firstFailedAt: of.firstFailedAt }
        : { kind: 'dead', record: this.#record(of, verdict.reason, describeFailure(error), failedAt) };
    this.#end(() => this.#dispose(of, disposal.carryOut(of, decision)));
  }

  /** Waits for its next attempt here, where no other of its key can overtake it. */
  async #rest(of: InHand, delayMs: number, error: unknown): Promise<void> {
    await this.#resting.rest(of, this.#deps.ladder.shortened(delayMs), error);
    if (of.epoch.gone || of.session.retiring) this.#letGo(of);
    else this.#lanes.again(of);
  }

  #lookForHalt({ session }: InHand): void {
    if (this.#resting.count === 0 || this.#lanes.running > 0) return;
    this.#resting.tellIfHalted(session, this.#lanes.waiting);
  }

  /** Given up without having been handled. */
  #refuse(
    of: InHand,
    reason: 'invalid' | 'no-handler',
    exception: string,
    problem: string,
    version: number | undefined,
  ): void {
    const { telemetry, disposal, now } = this.#deps;
    const failure = { exception, message: problem.slice(0, LONGEST_PROBLEM) };
    const described = { ...failure, fingerprint: fingerprintOf(failure) };
    const record = this.#record(of, reason, described, new Date(now()).toISOString(), version);
    telemetry.processed(undefined, 'dead', {
      reason,
      ...(of.event !== undefined && { type: of.event.type }),
    });
    this.#dispose(of, disposal.carryOut(of, { kind: 'dead', record }));
  }

  #record(
    of: InHand,
    reason: FailureRecord['reason'],
    failure: ReturnType<typeof describeFailure>,
    failedAt: string,
    version = of.event?.version,
  ): FailureRecord {
    const { queue, consumerName: consumer } = this.#deps;
    return recordOf(of, { reason, ...failure, queue, consumer, lastFailedAt: failedAt }, version);
  }

  #dispose(of: InHand, carriedOut: Promise<boolean>): void {
    this.#settling.watch(of);
    void carriedOut.then((done) => (done ? this.#finish(of) : this.#letGo(of)));
  }

  /** A handler's place is free again; what is next for its delivery comes before the next handler begins. */
  #end(next: () => void): void {
    next();
    this.#lanes.free();
  }

  /** Hands it back, or forgets it when it is lost already. */
  #letGo(of: InHand): void {
    this.#settling.handBack(of);
    this.#lanes.advance(of);
  }

  #finish(of: InHand): void {
    this.#settling.ack(of);
    this.#lanes.advance(of);
  }
}

const LONGEST_PROBLEM = 1_000;

/** A message on which decoding itself fails must not take the process down, again and again. */
function read(catalog: Catalog, message: ReceivedMessage): Decoded {
  try {
    return decode(catalog, message);
  } catch (error) {
    const problem = { path: '', message: `it cannot be read: ${messageOf(error)}` };
    return { valid: false, type: message.properties.type, errors: [problem], body: undefined };
  }
}
