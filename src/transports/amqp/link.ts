/** A supervised connection: made when first needed, made again whenever it goes, until closed. */
import type { EventsError } from '../../core/errors.js';
import { EventsError as Failure } from '../../core/errors.js';
import type { TransportNotice } from '../../core/transport.js';
import { within } from '../../core/within.js';
import { type AmqpAddress, type AmqpTlsOptions, redact, whereIs } from './address.js';
import { dial } from './dial.js';
import { channelFailure, closedError, connectFailure, replyCode } from './failures.js';
import { makePause, type Pause } from './pause.js';
import { explainPort } from './probe.js';
import type { Wire } from './wire.js';

export interface LinkOptions {
  readonly role: 'publish' | 'consume';
  readonly address: AmqpAddress;
  readonly tls: AmqpTlsOptions;
  readonly startTimeoutMs: number;
  readonly reconnectTimeoutMs: number;
  readonly notice: (notice: TransportNotice) => void;
  readonly now: () => number;
  /** 0 to 1. */
  readonly random: () => number;
}

interface Waiter {
  resolve(wire: Wire): void;
  reject(error: EventsError): void;
}

const FIRST_BACKOFF_MS = 100;
const LAST_BACKOFF_MS = 5_000;
const STEADY_ATTEMPT_MS = 10_000;
const CLOSE_MS = 2_000;

/**
 * idle -> opening -> up -> down -> up …, and closed at the end. `opening` falls back to `idle` when the
 * start-up budget is spent; `down` never gives up, only those who wait for it do.
 */
export class Link {
  /** Runs on each new connection after the first, before anyone gets to use it. */
  restore: (wire: Wire) => Promise<void> = async () => {};

  private state: 'idle' | 'opening' | 'up' | 'down' | 'closed' = 'idle';
  private wire: Wire | undefined;
  private lastFailure: EventsError | undefined;
  private readonly waiters = new Set<Waiter>();
  private readonly pause: Pause = makePause();
  /** Aborted by `close`: ends the attempt to connect that is under way. */
  private readonly givenUp = new AbortController();

  constructor(private readonly options: LinkOptions) {}

  /** The open connection, or undefined: for those who do not want to wait. */
  get current(): Wire | undefined {
    return this.state === 'up' && this.wire?.closed === false ? this.wire : undefined;
  }

  get isClosed(): boolean {
    return this.state === 'closed';
  }

  /** The open connection, waiting for it up to `patienceMs` once it has been up (default: the budget). */
  use(patienceMs: number = this.options.reconnectTimeoutMs): Promise<Wire> {
    if (this.state === 'closed') return Promise.reject(closedError());
    const open = this.current;
    if (open !== undefined) return Promise.resolve(open);
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const waiter: Waiter = {
        resolve: (wire) => {
          clearTimeout(timer);
          resolve(wire);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      if (this.state !== 'idle' && this.state !== 'opening' && Number.isFinite(patienceMs)) {
        timer = setTimeout(() => {
          this.waiters.delete(waiter);
          reject(this.stillDown(patienceMs));
        }, patienceMs);
      }
      this.waiters.add(waiter);
      if (this.state === 'idle') void this.open();
    });
  }

  /** Runs something that may be run twice: again on the next connection when this one goes meanwhile. */
  async run<T>(operation: (wire: Wire) => Promise<T>, entity?: string): Promise<T> {
    const deadline = this.options.now() + this.options.reconnectTimeoutMs;
    for (;;) {
      const wire = await this.use(Math.max(1, deadline - this.options.now()));
      try {
        return await operation(wire);
      } catch (error) {
        if (this.isClosed) throw closedError();
        const connectionWent = wire.closed && (replyCode(error) === undefined || replyCode(error) === 320);
        if (!connectionWent || error instanceof Failure || this.options.now() >= deadline) {
          throw channelFailure(error, this.options.address, entity);
        }
      }
    }
  }

  async close(): Promise<void> {
    if (this.state === 'closed') return;
    const wire = this.wire;
    this.state = 'closed';
    this.pause.stop();
    this.givenUp.abort(closedError());
    this.rejectWaiters(closedError());
    if (wire === undefined || wire.closed) return;
    // A close that fails or hangs ends in the same `destroy`.
    await within(CLOSE_MS, Promise.race([wire.model.close(), wire.ended]));
    if (!wire.closed) wire.destroy();
    await wire.ended;
  }

  private async open(): Promise<void> {
    this.state = 'opening';
    const deadline = this.options.now() + this.options.startTimeoutMs;
    for (let attempt = 0; ; attempt++) {
      const left = deadline - this.options.now();
      try {
        this.established(await this.attempt(left), undefined);
        return;
      } catch (error) {
        if (this.isClosed) return;
        const { final, error: failure } = await this.explain(error);
        const wait = this.backoff(attempt);
        if (final || this.options.now() + wait >= deadline) {
          if (!this.isClosed) this.state = 'idle';
          this.rejectWaiters(failure);
          return;
        }
        await this.pause.for(wait);
        if (this.isClosed) return;
      }
    }
  }

  private async reconnect(cause: Error | undefined): Promise<void> {
    const since = this.options.now();
    this.state = 'down';
    this.options.notice({ kind: 'lost', role: this.options.role, cause: this.describe(cause) });
    for (let attempt = 0; !this.isClosed; attempt++) {
      await this.pause.for(this.backoff(attempt));
      if (this.isClosed) return;
      try {
        const wire = await this.attempt(STEADY_ATTEMPT_MS);
        await this.restored(wire);
        this.established(wire, since);
        return;
      } catch (error) {
        if (this.isClosed) return;
        const { error: failure } = await this.explain(error);
        this.lastFailure = failure;
        // Refused is refused for those who wait now; whoever comes later may find it granted.
        if (failure.code === 'access-refused') this.rejectWaiters(failure);
      }
    }
  }

  private attempt(timeoutMs: number): Promise<Wire> {
    const { address, tls, role } = this.options;
    const connectionName = `atma-events ${process.pid} ${role}`;
    return dial({ address, tls, connectionName, timeoutMs, signal: this.givenUp.signal });
  }

  /** `restore`, ended by `close` as an attempt to connect is. */
  private async restored(wire: Wire): Promise<void> {
    const { signal } = this.givenUp;
    const giveUp = () => wire.destroy();
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      await this.restore(wire);
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  private established(wire: Wire, downSince: number | undefined): void {
    if (this.isClosed) {
      wire.destroy();
      return;
    }
    const { notice, role, now } = this.options;
    this.state = 'up';
    this.wire = wire;
    this.lastFailure = undefined;
    wire.model.on('blocked', (reason) => notice({ kind: 'blocked', reason }));
    wire.model.on('unblocked', () => notice({ kind: 'unblocked' }));
    void wire.ended.then((error) => {
      if (!this.isClosed) void this.reconnect(error);
    });
    if (downSince !== undefined) notice({ kind: 'restored', role, afterMs: now() - downSince });
    const waiters = [...this.waiters];
    this.waiters.clear();
    for (const waiter of waiters) waiter.resolve(wire);
  }

  private async explain(error: unknown) {
    const first = connectFailure(error, this.options.address);
    // What a foreign server does to a stranger: answers in its own way, hangs up, or resets.
    const foreign = /frame|abruptly|ECONNRESET|EPIPE/i.test(String(error));
    if (first.final || this.options.address.scheme === 'amqps' || !foreign) return first;
    return connectFailure(
      error,
      this.options.address,
      await explainPort(this.options.address, this.givenUp.signal),
    );
  }

  private rejectWaiters(error: EventsError): void {
    const waiters = [...this.waiters];
    this.waiters.clear();
    for (const waiter of waiters) waiter.reject(error);
  }

  private stillDown(patienceMs: number): EventsError {
    return new Failure(
      'unreachable',
      `No connection to the broker at ${whereIs(this.options.address)} for ${Math.round(patienceMs)} ms`,
      { hint: 'It is being retried; check that the broker runs.', cause: this.lastFailure },
    );
  }

  private describe(cause: Error | undefined): string {
    return redact(cause?.message ?? 'connection closed', this.options.address);
  }

  /** Doubles up to 5 s, then 50 to 100 % of that, so that many clients do not come back as one. */
  private backoff(attempt: number): number {
    const full = Math.min(LAST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(attempt, 16));
    return full * (0.5 + this.options.random() / 2);
  }
}
