/**
 * The functions of the worker's old notification service, on a dispatcher. They stay until nobody calls them: the worker
 * says the same by `dispatcher.analysisCompleted(data)` and `dispatcher.analysisFailed(data)`, once per outcome.
 */
import type { EventMap, PublishedData } from '../core/events/catalog.js';
import type { Dispatched } from './dispatched.js';
import type { DispatcherCore } from './dispatcher.js';

/** What the functions need of a catalog: ATMA's two outcomes of a job. */
export interface OutcomeEvents extends EventMap {
  readonly 'analysis.completed': EventMap[string];
  readonly 'analysis.failed': EventMap[string];
}

/** Each takes the event's data and resolves with what the dispatch came to; rejects as `dispatch` does. */
export interface DeprecatedNotificationService<M extends OutcomeEvents> {
  /** @deprecated Use `dispatcher.analysisCompleted(data)`. */
  sendAnalysisCompleteNotification(data: PublishedData<M, 'analysis.completed'>): Promise<Dispatched>;
  /** @deprecated Use `dispatcher.analysisFailed(data)`. */
  sendAnalysisFailureNotification(data: PublishedData<M, 'analysis.failed'>): Promise<Dispatched>;
  /** @deprecated Use `dispatcher.analysisCompleted(data)`. */
  updateAssessmentJobStatus(data: PublishedData<M, 'analysis.completed'>): Promise<Dispatched>;
  /** @deprecated Use `dispatcher.analysisFailed(data)`. */
  updateAssessmentJobStatusFailed(data: PublishedData<M, 'analysis.failed'>): Promise<Dispatched>;
}

export interface DeprecatedOptions {
  /** How long a second call for the same fact joins the first, in milliseconds. Default 600,000 (10 minutes). */
  readonly joinMs?: number;
  /** Facts remembered for that; the oldest are forgotten first. Default 10,000. */
  readonly maxFacts?: number;
  /** Milliseconds, monotonic. Default `performance.now`. */
  readonly now?: () => number;
  /** Default: a process warning of type `DeprecationWarning`. */
  readonly warn?: (text: string, code: string) => void;
}

type Outcome = 'analysis.completed' | 'analysis.failed';

/** Codes of the warnings, for `--disable-warning`. */
const CODES = {
  sendAnalysisCompleteNotification: 'ATMA_DEP01',
  sendAnalysisFailureNotification: 'ATMA_DEP02',
  updateAssessmentJobStatus: 'ATMA_DEP03',
  updateAssessmentJobStatusFailed: 'ATMA_DEP04',
} as const;

type FunctionName = keyof typeof CODES;

/**
 * Today's worker calls two of them per outcome, one for each service, and each dispatches the whole fact. So the second
 * call for a fact joins the first:
 *
 * | call, within `joinMs` of the first for its fact | what it does |
 * |---|---|
 * | the first dispatch is under way, or went well | joins it, and sends nothing |
 * | it failed, and this function has not been told so | joins it: the other services' callbacks were tried with it |
 * | it failed, and this function was told so | dispatches again: somebody tries again |
 *
 * What the catalog names no fact for is dispatched by every call.
 */
export function deprecatedNotificationService<M extends OutcomeEvents>(
  dispatcher: Pick<DispatcherCore<M>, 'dispatch' | 'factOf'>,
  options: DeprecatedOptions = {},
): DeprecatedNotificationService<M> {
  const { now = () => performance.now(), warn = warnOfProcess } = options;
  const calls = createJoining(options.joinMs ?? 600_000, options.maxFacts ?? 10_000, now);
  const warned = new Set<FunctionName>();

  const deprecated =
    <T extends Outcome>(name: FunctionName, type: T, method: string) =>
    (data: PublishedData<M, T>): Promise<Dispatched> => {
      if (!warned.has(name)) {
        warned.add(name);
        warn(
          `${name}() is deprecated: tell what happened once, with dispatcher.${method}(data)`,
          CODES[name],
        );
      }
      const dispatch = () => dispatcher.dispatch(type, data);
      const fact = dispatcher.factOf(type, data);
      return fact === undefined ? dispatch() : calls.join(fact, name, dispatch);
    };

  const completed = ['analysis.completed', 'analysisCompleted'] as const;
  const failed = ['analysis.failed', 'analysisFailed'] as const;
  return {
    sendAnalysisCompleteNotification: deprecated('sendAnalysisCompleteNotification', ...completed),
    sendAnalysisFailureNotification: deprecated('sendAnalysisFailureNotification', ...failed),
    updateAssessmentJobStatus: deprecated('updateAssessmentJobStatus', ...completed),
    updateAssessmentJobStatusFailed: deprecated('updateAssessmentJobStatusFailed', ...failed),
  };
}

interface Call {
  readonly at: number;
  readonly dispatched: Promise<Dispatched>;
  /** Who was given it. */
  readonly callers: Set<string>;
  failed: boolean;
}

function createJoining(joinMs: number, maxFacts: number, now: () => number) {
  // In the order of their beginning, so that the oldest is the first.
  const calls = new Map<string, Call>();

  /** Makes room for one more; what is too old to be joined goes, too. */
  function forgetOldest(time: number): void {
    for (const [fact, { at }] of calls) {
      if (calls.size < maxFacts && time - at < joinMs) return;
      calls.delete(fact);
    }
  }

  return {
    join(fact: string, caller: string, dispatch: () => Promise<Dispatched>): Promise<Dispatched> {
      const time = now();
      const first = calls.get(fact);
      if (first !== undefined && time - first.at < joinMs && !(first.failed && first.callers.has(caller))) {
        first.callers.add(caller);
        return first.dispatched;
      }
      calls.delete(fact); // the new one goes to the end
      forgetOldest(time);
      const call: Call = { at: time, dispatched: dispatch(), callers: new Set([caller]), failed: false };
      call.dispatched.catch(() => {
        call.failed = true;
      });
      calls.set(fact, call);
      return call.dispatched;
    },
  };
}

function warnOfProcess(text: string, code: string): void {
  process.emitWarning(text, { type: 'DeprecationWarning', code });
}
