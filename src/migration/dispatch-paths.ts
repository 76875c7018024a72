/** The two ways in which a fact goes out: callbacks count and the event goes beside them, or the event counts. */
import type { EventsError } from '../core/errors.js';
import type { CallbackRoute } from '../core/migration/callback-route.js';
import type { StageDecision } from '../core/migration/stage-source.js';
import { messageHeadersOf, type Stamp } from '../core/migration/stamp.js';
import type { PublishOptions } from '../core/publishing/publisher.js';
import { within } from '../core/within.js';
import type { CallbackClient } from '../legacy/callback-client.js';
import { type DispatchPlan, planDispatch } from './dispatch-plan.js';
import {
  type AboutFact,
  callbacksFailed,
  type Dispatched,
  type DispatchTrouble,
  type EventOutcome,
} from './dispatched.js';
import { sendCallbacks } from './send-callbacks.js';
import { createUnawaited } from './unawaited.js';

/** A fact whose stage is decided. */
export interface Task {
  readonly type: string;
  readonly data: unknown;
  readonly fact: string;
  /** Why these data cannot be published, if they cannot. */
  readonly invalid: EventsError | undefined;
  readonly decision: StageDecision;
  readonly routes: readonly CallbackRoute[];
  readonly publishing: PublishOptions;
  readonly signal: AbortSignal | undefined;
}

export interface PathsOptions {
  /** Sends callbacks that count. */
  readonly client: Pick<CallbackClient, 'send'>;
  readonly dryRunClient: Pick<CallbackClient, 'send'>;
  publish(type: string, data: unknown, options: PublishOptions): Promise<unknown>;
  readonly maxBacklog: number;
  readonly eventWaitMs: number;
  readonly onTrouble: (trouble: DispatchTrouble) => void;
}

export interface DispatchPaths {
  /** Sends the fact as its plan says; see the table of the dispatcher for what is awaited. */
  send(task: Task): Promise<Dispatched>;
  /** Facts whose callbacks in dry run have not ended yet. */
  readonly backlog: number;
  /** Facts whose callbacks in dry run were not sent because too many waited. */
  readonly skipped: number;
  /** Resolves once nothing is under way that no caller waits for. */
  drained(): Promise<void>;
}

export function createDispatchPaths(options: PathsOptions): DispatchPaths {
  const { client, dryRunClient, onTrouble } = options;
  const dryRuns = createUnawaited();
  const beside = createUnawaited();
  let skipped = 0;

  function publish({ type, data, publishing }: Task, stamp: Stamp): Promise<unknown> {
    return options.publish(type, data, { ...publishing, headers: messageHeadersOf(stamp) });
  }

  async function eventFirst(task: Task, plan: DispatchPlan): Promise<Dispatched> {
    const { routes, invalid } = task;
    if (invalid !== undefined) throw invalid;
    const about = aboutOf(task);
    const stamp = stampOf(task, plan);
    if (plan.callbacks === 'skipped') {
      skipped++;
      onTrouble({ ...about, kind: 'callbacks-skipped', backlog: dryRuns.size });
    }
    const stored = publish(task, stamp);
    const goOut = plan.callbacks === 'dry-run';
    if (goOut) {
      // Counted from here on: what other dispatches decide meanwhile must know of it.
      const dryRun = stored.then(
        () => runDry(task, stamp),
        () => undefined, // the dispatch rejects with it, and nothing is sent
      );
      void dryRuns.add(dryRun);
    }
    await stored;
    const outcome = goOut ? 'queued' : 'not-sent';
    return resultOf(
      task,
      'stored',
      routes.map(({ service }) => ({ service, outcome })),
    );
  }

  async function runDry(task: Task, stamp: Stamp): Promise<void> {
    const sent = await sendCallbacks(dryRunClient, task.routes, stamp, task.data);
    for (const { service, error, outcome } of sent) {
      if (outcome === 'failed') onTrouble({ ...aboutOf(task), kind: 'callback-failed', service, error });
    }
  }

  async function callbacksCount(task: Task, plan: DispatchPlan): Promise<Dispatched> {
    const { routes, data, invalid, signal } = task;
    const about = aboutOf(task);
    const stamp = stampOf(task, plan);
    let event: EventOutcome = plan.event === 'none' ? 'none' : 'pending';
    let stored: Promise<void> | undefined;
    if (invalid !== undefined) {
      onTrouble({ ...about, kind: 'event-invalid', error: invalid });
      if (event === 'pending') event = 'failed';
    } else if (event === 'pending') {
      stored = publish(task, stamp).then(
        () => {
          event = 'stored';
        },
        (error: unknown) => {
          event = 'failed';
          onTrouble({ ...about, kind: 'event-failed', error });
        },
      );
      void beside.add(stored);
    }
    const sent = await sendCallbacks(client, routes, stamp, data, signal);
    if (stored !== undefined) await within(options.eventWaitMs, stored);
    const [first, ...others] = sent.filter(({ outcome }) => outcome === 'failed');
    if (first !== undefined) throw callbacksFailed(about, sent.length, [first, ...others]);
    return resultOf(
      task,
      event,
      sent.map(({ error: _, ...outcome }) => outcome),
    );
  }

  return {
    get backlog() {
      return dryRuns.size;
    },
    get skipped() {
      return skipped;
    },
    async send(task) {
      const room = dryRuns.size < options.maxBacklog;
      const plan = planDispatch(task.decision, { routes: task.routes.length, room });
      return plan.event === 'first' ? eventFirst(task, plan) : callbacksCount(task, plan);
    },
    async drained() {
      await Promise.all([dryRuns.drained(), beside.drained()]);
    },
  };
}

function stampOf({ decision: { stage, epoch }, fact }: Task, { callbacks }: DispatchPlan): Stamp {
  const goOut = callbacks === 'applied' || callbacks === 'dry-run';
  return { stage, epoch, fact, callbacks: goOut ? 'sent' : 'not-sent' };
}

function aboutOf({ type, fact, decision: { stage } }: Task): AboutFact {
  return { type, fact, stage };
}

function resultOf(
  { decision: { stage, epoch }, fact }: Task,
  event: EventOutcome,
  callbacks: Dispatched['callbacks'],
): Dispatched {
  return { stage, epoch, fact, event, callbacks };
}
