/**
 * Starts a consumer: each delivery is read as an event and given to the handler of its type; what fails is tried again
 * after a while, and given up with a failure record in the end. Nothing is lost on the way: docs/consuming.md.
 */
import { setMaxListeners } from 'node:events';
import { queueMissing } from '../errors.js';
import type { Catalog, EventMap } from '../events/catalog.js';
import { factOfMessage } from '../events/fact.js';
import { consumerTelemetry, messagingSystem } from '../telemetry.js';
import type { Topology } from '../topology/model.js';
import type { Transport } from '../transport.js';
import { callOut } from './call-out.js';
import type { Circuit, CircuitDeps } from './circuit.js';
import type { CircuitOptions } from './circuit-options.js';
import type { CloseOptions, Consumer } from './consumer.js';
import { type ConsumerOptions, withDefaults } from './consumer-options.js';
import { type DeadLetterRoute, deadLetterRoute } from './dead-letter-route.js';
import { createDecisions } from './decisions.js';
import { createDisposal } from './disposal.js';
import type { Handler, Handlers } from './handler.js';
import { Handling } from './handling.js';
import { createHolding } from './holding.js';
import type { InHand } from './in-hand.js';
import { Intake } from './intake.js';
import { createLadder, type Ladder } from './ladder.js';
import { createOnce } from './once.js';
import { watchOverdue } from './overdue.js';
import { createSpentRecords } from './spent-records.js';
import { countingTimer as setTimer } from './timer.js';
import type { Trouble } from './trouble.js';

/** What a consumer works on. */
export interface ConsumerSystem<M extends EventMap> {
  readonly transport: Pick<Transport, 'scheme' | 'consume' | 'publish' | 'apply' | 'counts'>;
  readonly catalog: Catalog<M>;
  /** Tells where dead letters go, and the type of delay queues. */
  readonly topology: Topology;
}

const CLOSE_DEADLINE_MS = 10_000;

/**
 * Declares the delay queues and starts consuming. Rejects as `Transport.consume` and `Transport.apply` do, and with
 * `usage` on options out of their range, `event-unknown` on a handler for a type that the catalog does not have.
 */
export async function startConsumer<M extends EventMap>(
  { transport, catalog, topology }: ConsumerSystem<M>,
  queue: string,
  handlers: Handlers<M>,
  given: ConsumerOptions = {},
): Promise<Consumer> {
  const options = withDefaults(given);
  const byType = new Map(Object.entries(handlers) as [string, Handler<string, unknown> | undefined][]);
  for (const type of byType.keys()) catalog.get(type);
  const { prefetch, concurrency, orderBy, consumerName, now, idempotency } = options;
  const ladder = createLadder(queue, options.retry, topology, options.random);
  const route = deadLetterRoute(queue, topology, options.deadLetter);
  const circuit = await circuitOf(options.circuit, {
    now,
    // Nothing else tells of the work while nothing is taken: a process on the embedded broker would end.
    setTimer,
    onChange(state, error, pauseMs) {
      telemetry.circuit(state);
      if (state === 'open') {
        intake.pause();
        tell({ kind: 'circuit-open', queue, error, nextTryMs: pauseMs });
      } else intake.resume(state === 'half-open' ? 1 : prefetch);
    },
  });
  // With an order nothing leaves the process between two attempts.
  await declare(transport, queue, orderBy === undefined ? ladder : undefined, route);

  const aborter = new AbortController();
  const { signal } = aborter;
  setMaxListeners(0, signal); // every handler that runs may listen
  let closing: Promise<void> | undefined;
  const tell = (trouble: Trouble) => callOut(() => options.onTrouble(trouble));
  const telemetry = consumerTelemetry({
    queue,
    system: messagingSystem(transport.scheme),
    consumer: consumerName,
    now,
  });
  const overdue = watchOverdue<InHand>({
    afterMs: options.overdueAfterMs,
    now: () => performance.now(),
    onOverdue: ({ message }, heldMs) => tell({ kind: 'overdue', queue, message, heldMs }),
  });
  const holding = createHolding({
    now,
    setTimer,
    closing: () => closing !== undefined,
    onHeld: (held) => tell({ ...held, queue }),
  });
  const decisions = idempotency && createDecisions(idempotency, queue);
  const spentRecords = decisions && createSpentRecords(decisions.forget);
  const disposal = createDisposal({
    transport,
    ladder,
    route,
    decisions,
    holding,
    onDeadLetter: (record, of) => callOut(() => options.onDeadLetter?.(record, of.message)),
  });
  const handling = new Handling({
    queue,
    consumerName,
    catalog,
    handlers: byType,
    concurrency,
    mayWait: concurrency < prefetch || orderBy !== undefined,
    orderBy,
    ladder,
    decisions,
    spentRecords,
    disposal,
    holding,
    circuit,
    telemetry,
    overdue,
    setting: {
      queue,
      signal,
      consumer: given.consumerName,
      factOf: (of) => factOf(catalog, of),
      once:
        idempotency &&
        createOnce(idempotency, {
          claimant: consumerName,
          signal,
          onTrouble: (error, key) => tell({ kind: 'once', queue, error, key }),
        }),
    },
    isCurrent: (session) => intake.isCurrent(session),
    now,
    setTimer,
    onHalted: (halted) => tell({ ...halted, queue }),
  });
  let fail: (error: unknown) => void = () => {};
  let finish: () => void = () => {};
  const ended = new Promise<void>((resolve, reject) => {
    fail = reject;
    finish = resolve;
  });
  ended.catch(() => {}); // nobody has to watch it
  const intake: Intake = new Intake({
    transport,
    queue,
    ordered: orderBy !== undefined,
    now,
    setTimer,
    onDelivery: (delivery, session) => handling.receive(delivery, session),
    onRetire: (session) => handling.retire(session),
    onStopped: (session) => handling.handBackLeftover(session),
    onSettled: async (session) => spentRecords?.free(session),
    onLost: (lost) => handling.forget(lost),
    onHindrance: (error, nextTryMs) => tell({ kind: 'consume', queue, error, nextTryMs }),
    onEnd(error) {
      circuit?.close();
      tell({ kind: 'ended', queue, error });
      fail(error);
    },
  });

  function release(): void {
    circuit?.close();
    spentRecords?.close();
    overdue.close();
    telemetry.close();
  }

  async function shutDown({ deadlineMs = CLOSE_DEADLINE_MS }: CloseOptions): Promise<void> {
    circuit?.close();
    await atMost(deadlineMs, intake.drain());
    aborter.abort(new Error(`the consumer of ${queue} closes`));
    await intake.abandon();
    release();
    finish();
  }

  try {
    await intake.open(prefetch);
  } catch (error) {
    release();
    throw error;
  }
  return {
    ended,
    stop: () => intake.stop(),
    close(closeOptions = {}) {
      closing ??= shutDown(closeOptions);
      return closing;
    },
    state: () => ({
      circuit: circuit?.state() ?? 'closed',
      ...handling.state(),
      held: holding.count(),
    }),
    retryDepths: () =>
      Promise.all(
        [...new Set(ladder.delaysMs)].map(async (delayMs) => {
          const name = ladder.queueFor(delayMs);
          return { queue: name, delayMs, messages: (await transport.counts(name))?.ready ?? 0 };
        }),
      ),
  };
}

/** What is ours to declare. Rejects with `queue-missing` before anything is declared for a queue that is not there. */
async function declare(
  transport: Pick<Transport, 'counts' | 'apply'>,
  queue: string,
  ladder: Ladder | undefined,
  { own }: DeadLetterRoute,
): Promise<void> {
  if ((await transport.counts(queue)) === undefined) throw queueMissing(queue);
  const queues = [...new Set(ladder?.delaysMs)].map((delayMs) => ladder?.specFor(delayMs));
  if (own !== undefined && (await transport.counts(own.name)) === undefined) queues.push(own);
  const missing = queues.filter((spec) => spec !== undefined);
  if (missing.length > 0) await transport.apply({ exchanges: [], queues: missing, bindings: [] });
}

/** Undefined where only the digest of its body would name it. */
function factOf(catalog: Catalog, { event, arrival, hasId }: InHand): string | undefined {
  if (event === undefined || (!hasId && catalog.get(event.type).fact === undefined)) return undefined;
  return factOfMessage(catalog, event, arrival.message);
}

/** The breaker's library takes 45 ms to load: not for consumers without, and not with the package. */
async function circuitOf(options: CircuitOptions | false, deps: CircuitDeps): Promise<Circuit | undefined> {
  if (options === false) return undefined;
  const { createCircuit } = await import('./circuit.js');
  return createCircuit(options, deps);
}

/** Resolves with the work, or when the time is over. */
function atMost(ms: number, work: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = setTimer(resolve, ms);
    work.then(resolve, reject).finally(cancel);
  });
}
