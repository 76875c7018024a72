/**
 * The consumer's hold on its queue: one session after another, opened, paused, opened again with another prefetch as the
 * circuit breaker wants it, closed.
 *
 * | session | takes deliveries | ends |
 * |---|---|---|
 * | open | yes | when the circuit changes, the consumer stops or closes, or the queue is gone |
 * | retiring | hands back what has not begun | when the last delivery in hand is settled |
 */
import { isEventsError } from '../errors.js';
import type { Delivery, Transport } from '../transport.js';
import { type Epoch, Session } from './in-hand.js';
import type { SetTimer } from './timer.js';

export interface IntakeDeps {
  readonly transport: Pick<Transport, 'consume'>;
  readonly queue: string;
  /** Events of one key must not overtake each other: no session opens before the one before it is through. */
  readonly ordered: boolean;
  readonly now: () => number;
  readonly setTimer: SetTimer;
  readonly onDelivery: (delivery: Delivery, session: Session) => void;
  /** Nothing of the session is to begin any more: what has not becomes its `leftover`. */
  readonly onRetire: (session: Session) => void;
  /** The broker delivers nothing more to the session: its `leftover` can be handed back. */
  readonly onStopped: (session: Session) => void;
  /** Everything is settled; the session's subscription can still be asked. Must not reject. */
  readonly onSettled: (session: Session) => Promise<void>;
  /** What the session had in hand is gone. */
  readonly onLost: (lost: Epoch) => void;
  /** It could not be opened again, and will be tried after `pauseMs`. */
  readonly onHindrance: (error: unknown, pauseMs: number) => void;
  /** The queue cannot be consumed any more. */
  readonly onEnd: (error: unknown) => void;
}

/** Opening again after a failure: first pause, doubling up to the last. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 30_000;
/** What is refused rather than unreachable is tried for this long, in case the queue is being declared anew. */
const REFUSED_BUDGET_MS = 10_000;

export class Intake {
  readonly #deps: IntakeDeps;
  #current: Session | undefined;
  readonly #retiring = new Set<Promise<void>>();
  readonly #sessions = new Set<Session>();
  #stopped = false;

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
  }

  /** Whether deliveries of this session are the ones being taken now. */
  isCurrent(session: Session): boolean {
    return this.#current === session;
  }

  /** Opens the first session. Rejects as `Transport.consume` does. */
  open(prefetch: number): Promise<void> {
    const session = new Session(prefetch);
    this.#current = session;
    const opened = this.#openOn(session);
    session.opened = opened.catch(() => {}); // the caller is told
    return opened;
  }

  /** Takes nothing until `resume`. */
  pause(): void {
    const session = this.#current;
    this.#current = undefined;
    if (session !== undefined) this.#retire(session);
  }

  /** Takes deliveries again, in a session of their own. */
  resume(prefetch: number): void {
    this.pause();
    if (this.#stopped) return;
    const session = new Session(prefetch);
    this.#current = session;
    session.opened = this.#reopen(session);
  }

  /** Takes no more for good, once resolved. What is in hand stays in hand. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#current?.subscription?.stop();
  }

  /** Takes no more, hands back what has not begun, and resolves when nothing is in hand. */
  async drain(): Promise<void> {
    this.#stopped = true;
    this.pause();
    await Promise.all(this.#retiring);
  }

  /** What still is in hand counts as lost: it goes back when the subscriptions close. Resolves when they have. */
  async abandon(): Promise<void> {
    for (const session of this.#sessions) session.epoch.lose();
    await Promise.all([...this.#sessions].map((session) => session.subscription?.close()));
    this.#sessions.clear();
  }

  async #openOn(session: Session): Promise<void> {
    const { transport, queue, onDelivery } = this.#deps;
    const onLost = () => this.#lost(session);
    const options = { prefetch: session.prefetch, exactHeaders: true, onLost };
    const subscription = await transport.consume(queue, options, (delivery) => onDelivery(delivery, session));
    session.subscription = subscription;
    this.#sessions.add(session);
    subscription.ended.catch((error: unknown) => {
      this.#sessions.delete(session);
      if (this.#current !== session) return; // it was being closed anyway
      this.#current = undefined;
      this.#deps.onEnd(error);
    });
    // The consumer may have been stopped meanwhile; a session that is retiring is ended by who retired it.
    if (this.#stopped && !session.retiring) await subscription.stop();
  }

  async #reopen(session: Session): Promise<void> {
    const { ordered, now, setTimer, onHindrance, onEnd } = this.#deps;
    // What is still in hand may fail and be handed back: what follows it must not be taken before that.
    if (ordered) await Promise.all(this.#retiring);
    const since = now();
    for (let pauseMs = FIRST_PAUSE_MS; !session.retiring; pauseMs = Math.min(LAST_PAUSE_MS, pauseMs * 2)) {
      try {
        await this.#openOn(session);
        return;
      } catch (error) {
        if (isEventsError(error, 'closed') || session.retiring) return;
        if (!isEventsError(error, 'unreachable') && now() - since >= REFUSED_BUDGET_MS) {
          this.#current = undefined;
          onEnd(error);
          return;
        }
        onHindrance(error, pauseMs);
      }
      await session.epoch.sleep(pauseMs, setTimer);
    }
  }

  #lost(session: Session): void {
    const lost = session.epoch;
    session.renew();
    this.#deps.onLost(lost);
  }

  #retire(session: Session): void {
    session.retiring = true;
    this.#deps.onRetire(session);
    session.epoch.wake();
    const finished = this.#finish(session).finally(() => this.#retiring.delete(finished));
    this.#retiring.add(finished);
  }

  /** Hands back only once the broker has stopped delivering: it would come straight back. */
  async #finish(session: Session): Promise<void> {
    await session.opened;
    await session.subscription?.stop().catch(() => {
      // A channel that cannot be told to stop is gone, and takes its deliveries with it.
    });
    this.#deps.onStopped(session);
    await session.drained();
    await this.#deps.onSettled(session);
    await session.subscription?.close().catch(() => {
      // The same.
    });
    this.#sessions.delete(session);
  }
}
