/** A dispatcher with all its parts: the flag's watch, the outbox and the callback client. For services. */
import type { CloseOptions } from '../core/consuming/consumer.js';
import type { Catalog, EventMap } from '../core/events/catalog.js';
import type { CallbackRoute } from '../core/migration/callback-route.js';
import type { StageSource } from '../core/migration/stage-source.js';
import { createOutbox, type Outbox } from '../core/publishing/outbox.js';
import { createPublisher } from '../core/publishing/publisher.js';
import type { Transport } from '../core/transport.js';
import { createCallbackClient } from '../legacy/callback-client.js';
import type { CallbackClientOptions, CallbackSettings } from '../legacy/callback-client-options.js';
import { openOutboxStore } from '../storage/outbox-store.js';
import { createDispatcher, type Dispatcher, type DispatcherOptions } from './dispatcher.js';
import { partListeners, type TellTrouble, warnOfTroubles } from './dispatcher-troubles.js';
import { dryRunOptions } from './dry-run-client.js';
import { environmentStage } from './environment-stage.js';
import type { FlagState } from './flag-state.js';
import { type FlagWatch, watchFlag } from './flag-watch.js';
import { serviceUrls } from './service-urls.js';

/** What a dispatcher needs of a bus; `connect()` gives one. */
export interface DispatchBus<M extends EventMap> {
  readonly catalog: Catalog<M>;
  readonly transport: Pick<Transport, 'publish' | 'scheme'>;
  /** Written on events as their source. */
  readonly source?: string | undefined;
  /** The callbacks that its events replace. */
  readonly callbacks?: readonly CallbackRoute[] | undefined;
}

export interface OpenDispatcherOptions
  extends Pick<DispatcherOptions<EventMap>, 'maxBacklog' | 'eventWaitMs' | 'now' | 'randomId'> {
  /**
   * The flag file. Default: `ATMA_EVENTS_FLAG_FILE` of the environment; without either, `USE_EVENT_DRIVEN=true` is `live`
   * and anything else `off`, for as long as the process lives.
   */
  readonly flagFile?: string;
  /** Milliseconds between two looks at the flag file. Default 500. */
  readonly pollMs?: number;
  /** Where events wait for the broker; one process at a time. Default `./.atma-events/outbox.db`. */
  readonly outboxFile?: string;
  /** Default: the bus's. */
  readonly routes?: readonly CallbackRoute[];
  /**
   * Services by the names that the routes use. Default per service: `<NAME>_SERVICE_URL` of the environment, else ATMA's
   * (`notification` http://localhost:3005, `assessment` http://localhost:3003).
   */
  readonly services?: CallbackClientOptions['services'];
  /**
   * Timeouts, retries and so on, for all services. Without `auth`: `INTERNAL_SERVICE_KEY` of the environment, if set. Callbacks in
   * dry run go through a client of their own with the same settings, but for `totalMs`, which is 30 minutes there, or longer.
   */
  readonly callbacks?: CallbackSettings;
  /** Told what goes wrong without making a dispatch reject. Must not throw. Default: process warnings. */
  readonly onTrouble?: TellTrouble;
  /** Told each time the flag was moved. Must not throw. */
  readonly onStage?: (state: FlagState) => void;
  /** Default `process.env`. */
  readonly environment?: { readonly [name: string]: string | undefined };
}

/** What the outbox holds, and where the flag stands, beside the dispatcher's own methods. */
export interface DispatcherParts {
  readonly outbox: Pick<Outbox, 'state' | 'drained'>;
  /** Undefined without a flag file. */
  readonly flag: Pick<FlagWatch, 'state' | 'hash' | 'trouble'> | undefined;
}

export type OpenDispatcher<M extends EventMap> = Omit<Dispatcher<M>, 'close'> & {
  readonly parts: DispatcherParts;
  /**
   * Takes no more; lets everything go out, callbacks in dry run and events, for `deadlineMs` at most (10,000); then frees
   * all parts. Gives how many events stay in the outbox, for the next start. Idempotent. Close the bus after it.
   */
  close(options?: CloseOptions): Promise<{ readonly left: number }>;
};

const DEFAULT_OUTBOX = './.atma-events/outbox.db';

/**
 * Opens a dispatcher on a bus: `const dispatcher = await openDispatcher(await connect({ lazy: true }))`.
 *
 * Rejects with `flag-invalid` (the flag file cannot be used), `usage` (another process has the outbox, a service without
 * a URL), `storage`, and `config-invalid`; then nothing stays open.
 */
export async function openDispatcher<M extends EventMap>(
  bus: DispatchBus<M>,
  options: OpenDispatcherOptions = {},
): Promise<OpenDispatcher<M>> {
  const { environment = process.env, onTrouble = warnOfTroubles(), now = Date.now } = options;
  const tell = partListeners(onTrouble);
  const routes = options.routes ?? bus.callbacks ?? [];
  const releases: ((deadlineMs: number) => unknown)[] = [];
  const release = async (deadlineMs: number): Promise<void> => {
    const endsAt = performance.now() + deadlineMs;
    const failures: unknown[] = [];
    for (const each of releases.splice(0).reverse()) {
      try {
        await each(Math.max(0, endsAt - performance.now()));
      } catch (error) {
        failures.push(error); // the others have to be freed all the same
      }
    }
    if (failures.length > 0) throw failures[0];
  };

  try {
    const flag = await openFlag();
    const sending: CallbackClientOptions = {
      services: serviceUrls(routes, options.services ?? {}, environment),
      ...authOf(environment),
      ...options.callbacks,
      onCircuit: tell.callbacks,
    };
    const client = createCallbackClient(sending);
    releases.push((deadlineMs) => client.close({ deadlineMs }));
    const dryRunClient = createCallbackClient({ ...dryRunOptions(sending), onCircuit: tell.dryRunCallbacks });
    releases.push((deadlineMs) => dryRunClient.close({ deadlineMs }));
    const store = openOutboxStore(options.outboxFile ?? DEFAULT_OUTBOX);
    const outbox = createOutbox(bus.transport, store, { onTrouble: tell.outbox });
    releases.push((deadlineMs) => outbox.close({ deadlineMs }));
    const stages: StageSource = flag ?? environmentStage(environment);
    const { source } = bus;
    const dispatcher = createDispatcher({
      ...options,
      ...{ catalog: bus.catalog, stages, routes, onTrouble: tell.fact },
      ...{ callbacks: client, dryRunCallbacks: dryRunClient },
      publisher: createPublisher(outbox, bus.catalog, { now, ...(source !== undefined && { source }) }),
    });
    releases.push((deadlineMs) => dispatcher.close({ deadlineMs }));
    let closing: Promise<{ left: number }> | undefined;
    return {
      ...dispatcher,
      parts: { outbox, flag },
      close({ deadlineMs = 10_000 }: CloseOptions = {}) {
        closing ??= release(deadlineMs).then(() => outbox.close());
        return closing;
      },
    };
  } catch (error) {
    await release(0).catch(() => undefined); // why it could not be opened is what went wrong
    throw error;
  }

  async function openFlag(): Promise<FlagWatch | undefined> {
    const path = options.flagFile ?? (environment.ATMA_EVENTS_FLAG_FILE || undefined);
    if (path === undefined) return undefined;
    const watch = await watchFlag({
      path,
      onChange: (state) => options.onStage?.(state),
      onTrouble: tell.flag,
      now,
      ...(options.pollMs !== undefined && { pollMs: options.pollMs }),
    });
    releases.push(() => watch.close());
    return watch;
  }
}

function authOf(environment: { readonly [name: string]: string | undefined }): CallbackSettings {
  const serviceKey = environment.INTERNAL_SERVICE_KEY;
  return serviceKey ? { auth: { serviceKey } } : {};
}
