/**
 * Tells a fact once; the stage of the migration decides whether it goes out as callbacks, as an event, or as both. One
 * decision per fact, stamped on both paths, so that receivers know whose effects count.
 *
 * What a dispatch does, awaits and rejects with:
 *
 * | stage | callbacks | event | rejects |
 * |---|---|---|---|
 * | off | sent, awaited | none | when a callback failed after its tries; all are tried |
 * | publish, shadow | sent, awaited | stored beside them; awaited for `eventWaitMs` at most after them | as in off |
 * | live | once the event is stored, in dry run; not awaited | stored first, awaited | when it was not stored: nothing was sent |
 * | rampdown | as in live, for the jobs in the sample | as in live | as in live |
 * | complete | none | as in live | as in live |
 */
import { callOut } from '../core/consuming/call-out.js';
import type { CloseOptions } from '../core/consuming/consumer.js';
import { EventsError } from '../core/errors.js';
import type { Catalog, EventMap, PublishedData } from '../core/events/catalog.js';
import type { CallbackRoute } from '../core/migration/callback-route.js';
import type { Stage } from '../core/migration/stage.js';
import type { StageSource } from '../core/migration/stage-source.js';
import type { Publisher, PublishOptions } from '../core/publishing/publisher.js';
import { within } from '../core/within.js';
import type { CallbackClient } from '../legacy/callback-client.js';
import { createDispatchPaths } from './dispatch-paths.js';
import type { Dispatched, DispatchTrouble } from './dispatched.js';
import { identifyFact } from './identify-fact.js';
import { type MethodName, methodName } from './method-name.js';
import { createUnawaited } from './unawaited.js';

export interface DispatcherOptions<M extends EventMap> {
  readonly catalog: Catalog<M>;
  readonly stages: StageSource;
  /** Takes the events; on an outbox, so that the broker may be away. Not closed by the dispatcher. */
  readonly publisher: Pick<Publisher<M>, 'publish'>;
  /** Sends the callbacks, with their retries. Not closed by the dispatcher. */
  readonly callbacks: Pick<CallbackClient, 'send'>;
  /** Sends those in dry run, of which thousands may wait: those that count must not wait behind them. Default: `callbacks`. */
  readonly dryRunCallbacks?: Pick<CallbackClient, 'send'>;
  /** Which callbacks a type has; a type without any goes out as an event only. */
  readonly routes: readonly CallbackRoute[];
  /** Told what goes wrong without making a dispatch reject. Must not throw. */
  readonly onTrouble?: (trouble: DispatchTrouble) => void;
  /** Facts whose callbacks in dry run may be under way. Default 5,000; those of further facts are not sent, and that is told. */
  readonly maxBacklog?: number;
  /** Where callbacks count: how long the event's store may take after they are done, in milliseconds. Default 1,000. */
  readonly eventWaitMs?: number;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
  /** Keys of facts that the catalog gives neither a fact nor an id. Default `crypto.randomUUID`. */
  readonly randomId?: () => string;
}

export interface DispatchOptions extends Omit<PublishOptions, 'headers' | 'routingKey'> {
  /** Gives up callbacks whose effects count. Those in dry run go on. */
  readonly signal?: AbortSignal;
}

export interface DispatcherState {
  /** Dispatches that have not resolved yet. */
  readonly open: number;
  /** Facts whose callbacks in dry run have not ended yet. */
  readonly backlog: number;
  /** Facts whose callbacks in dry run were not sent because too many waited, since the start. */
  readonly skipped: number;
  /** How many facts were dispatched in each stage, since the start. */
  readonly decisions: { readonly [S in Stage]?: number };
}

/** One method per event type: `analysisCompleted(data)` for `analysis.completed`. */
export type DispatchMethods<M extends EventMap> = {
  readonly [T in keyof M & string as MethodName<T>]: (
    data: PublishedData<M, T>,
    options?: DispatchOptions,
  ) => Promise<Dispatched>;
};

export interface DispatcherCore<M extends EventMap> {
  /**
   * Tells what happened. Rejects only when the path whose effects count failed:
   * - callbacks count: with the code of the first that failed (`callback-refused`, `unreachable`, `timeout`), once all
   *   were tried. A job queue that delivers the job again has the fact dispatched again: services that had it know it;
   * - events count: with `event-invalid`, `storage` and what else the publisher names. Nothing was sent;
   * - in any stage with `event-unknown`, and with `closed` after `close`.
   */
  dispatch<T extends keyof M & string>(
    type: T,
    data: PublishedData<M, T>,
    options?: DispatchOptions,
  ): Promise<Dispatched>;
  /** The key of the fact that these data tell; undefined where the catalog names none. Throws `event-unknown`. */
  factOf<T extends keyof M & string>(type: T, data: PublishedData<M, T>): string | undefined;
  state(): DispatcherState;
  /** Takes no more; resolves once everything is through, callbacks in dry run too, or after `deadlineMs` (10,000). */
  close(options?: CloseOptions): Promise<void>;
}

export type Dispatcher<M extends EventMap> = DispatcherCore<M> & DispatchMethods<M>;

/** Throws `config-invalid` when a route's event is not in the catalog, or when two methods would have one name. */
export function createDispatcher<M extends EventMap>(options: DispatcherOptions<M>): Dispatcher<M> {
  const { catalog, stages, publisher, onTrouble, now = Date.now } = options;
  const routesOf = routesByType(options.routes, catalog);
  const open = createUnawaited();
  const decisions: { -readonly [S in Stage]?: number } = {};
  let closing: Promise<void> | undefined;
  const paths = createDispatchPaths({
    client: options.callbacks,
    dryRunClient: options.dryRunCallbacks ?? options.callbacks,
    publish: (type, data, publishing) =>
      publisher.publish(type, data as PublishedData<M, string>, publishing),
    maxBacklog: options.maxBacklog ?? 5_000,
    eventWaitMs: options.eventWaitMs ?? 1_000,
    onTrouble: (trouble) => callOut(() => onTrouble?.(trouble)),
  });

  async function dispatch(type: string, data: unknown, given: DispatchOptions = {}): Promise<Dispatched> {
    if (closing !== undefined) throw new EventsError('closed', 'the dispatcher is closed');
    const definition = catalog.get(type);
    const { signal, ...publishing } = given;
    const time = given.time ?? new Date(now());
    const { fact, job, id, invalid } = identifyFact(definition, data, {
      time,
      ...(given.id !== undefined && { id: given.id }),
      ...(options.randomId !== undefined && { randomId: options.randomId }),
    });
    const decision = stages.decide(job);
    decisions[decision.stage] = (decisions[decision.stage] ?? 0) + 1;
    return open.add(
      paths.send({
        ...{ type, data, fact, invalid, decision, signal },
        routes: routesOf.get(type) ?? [],
        publishing: { ...publishing, time, ...(id !== undefined && { id }) },
      }),
    );
  }

  async function shutDown({ deadlineMs = 10_000 }: CloseOptions = {}): Promise<void> {
    await within(
      deadlineMs,
      open.drained().then(() => paths.drained()),
    );
  }

  const core: DispatcherCore<M> = {
    dispatch,
    factOf: (type, data) => identifyFact(catalog.get(type), data, { time: new Date(now()) }).named,
    state: () => ({
      open: open.size,
      backlog: paths.backlog,
      skipped: paths.skipped,
      decisions: { ...decisions },
    }),
    close(closeOptions) {
      closing ??= shutDown(closeOptions);
      return closing;
    },
  };
  return withMethods(core, catalog);
}

function withMethods<M extends EventMap>(core: DispatcherCore<M>, catalog: Catalog<M>): Dispatcher<M> {
  const methods: Record<string, unknown> = { ...core };
  for (const { type } of catalog.definitions) {
    const name = methodName(type);
    if (name in methods) {
      throw new EventsError(
        'config-invalid',
        `The dispatcher has a method ${name} already: ${type} needs another name`,
      );
    }
    methods[name] = (data: PublishedData<M, string>, options?: DispatchOptions) =>
      core.dispatch(type, data, options);
  }
  return methods as unknown as Dispatcher<M>;
}

function routesByType(routes: readonly CallbackRoute[], catalog: Catalog): Map<string, CallbackRoute[]> {
  const byType = new Map<string, CallbackRoute[]>();
  for (const route of routes) {
    if (catalog.find(route.eventType) === undefined) {
      const message = `A callback to ${route.service} belongs to "${route.eventType}", which is not in the catalog`;
      throw new EventsError('config-invalid', message);
    }
    byType.set(route.eventType, [...(byType.get(route.eventType) ?? []), route]);
  }
  return byType;
}
