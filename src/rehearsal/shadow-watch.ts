/** A `shadow run` of the rehearsal: callbacks go through it while it lasts, and its store is what the gate is shown. */
import { join } from 'node:path';
import { EventsError, isEventsError } from '../core/errors.js';
import { readRun, type StoredRun } from '../shadow/read-run.js';
import type { VerdictLimits } from './limits.js';
import { withLimit } from './services.js';
import { expectExit, type Tool } from './tool.js';
import { documentOf, reportDocument, type VerdictDocument, verdictDocument } from './tool-documents.js';
import type { WaitUntil } from './waiting.js';

export interface ShadowWatch {
  /** Of its proxy. */
  readonly url: string;
  readonly store: string;
  /** Waits until no leg is open in what is saved from now on; not longer than that should take. */
  closed(): Promise<void>;
  /** The latest, of what is saved. */
  verdict(): Promise<VerdictDocument>;
  /** Counts of legs by outcome. */
  legs(): Promise<LegOutcomes>;
  /** Ctrl-C; resolves when it is over. */
  end(): Promise<void>;
}

export type LegOutcomes = ReturnType<typeof reportDocument.parse>['legs'];

export interface ShadowWatchDeps {
  readonly tool: Tool;
  readonly folder: string;
  readonly limits: VerdictLimits;
  /** Where it sends the callbacks on. */
  readonly upstream: string;
  readonly waitUntil: WaitUntil;
  readonly now: () => number;
}

const START_LIMIT_MS = 30_000;
const END_LIMIT_MS = 20_000;
/** Its thread saves once a second. */
const SAVED_MS = 1_000;
const SAID = /callbacks on (http:\/\/\S+) go to/;

/** Every exit of an interrupted run, and of a verdict. */
const INTERRUPTED = 130;
const VERDICTS = [0, 4, 6] as const;

export async function startShadowWatch(
  name: string,
  { tool, folder, limits, upstream, waitUntil, now }: ShadowWatchDeps,
): Promise<ShadowWatch> {
  const store = join(folder, `${name}.db`);
  let tellUrl: (url: string) => void = () => {};
  const listening = new Promise<string>((resolve) => {
    tellUrl = resolve;
  });
  const run = tool.start(
    [
      ...['shadow', 'run', '--listen', '0', '--store', store, '--window', `${limits.windowMs}ms`],
      ...['--upstream', `notification=${upstream}`, '--upstream', `assessment=${upstream}`],
    ],
    (line) => {
      const [, url] = SAID.exec(line) ?? [];
      if (url !== undefined) tellUrl(url);
    },
  );
  const ended = run.ended.then((result): never => {
    throw new EventsError('closed', `shadow run ended with ${result.exitCode}: ${result.said}`);
  });
  const url = await withLimit(Promise.race([listening, ended]), START_LIMIT_MS);
  ended.catch(() => {}); // from here on `end` tells
  if (url === undefined)
    throw new EventsError('timeout', `shadow run did not listen in ${START_LIMIT_MS} ms`);
  // Its taps are bound a moment after it listens. What happens before counts for nobody, so nothing may happen before.
  if (!(await waitUntil(() => look(store)?.isWatching === true, START_LIMIT_MS))) {
    throw new EventsError('timeout', `shadow run did not watch anything in ${START_LIMIT_MS} ms`);
  }
  const told = async (verb: string) =>
    expectExit(await tool.run('shadow', verb, '--store', store), ...VERDICTS);

  return {
    url,
    store,
    async closed() {
      const since = now();
      await waitUntil(() => {
        const found = look(store);
        return found !== undefined && found.savedAt >= since && found.pending === 0;
      }, closedWithinMs(limits));
    },
    verdict: async () => documentOf(verdictDocument, await told('verdict')),
    legs: async () => documentOf(reportDocument, await told('report')).legs,
    async end() {
      if (!run.child.hasExited()) run.child.kill('SIGINT');
      const result = await withLimit(run.ended, END_LIMIT_MS);
      if (result === undefined)
        throw new EventsError('timeout', `shadow run did not end in ${END_LIMIT_MS} ms`);
      expectExit(result, INTERRUPTED);
    },
  };
}

interface Look {
  readonly savedAt: number;
  readonly pending: number;
  /** Every source has told something. */
  readonly isWatching: boolean;
}

/** What is saved, without a process: it is asked many times a second. Undefined before the first save. */
function look(store: string): Look | undefined {
  let stored: StoredRun;
  try {
    stored = readRun(store);
  } catch (error) {
    if (isEventsError(error)) return undefined;
    throw error;
  }
  try {
    const { savedAt, summary } = stored;
    const { sources, counts } = summary;
    const isWatching = sources.length > 0 && sources.every(({ watermark }) => watermark !== null);
    return { savedAt, pending: counts.totals.pending, isWatching };
  } finally {
    stored.close();
  }
}

/** How long after its first sighting a leg is closed and saved, at most, on a machine that has other things to do. */
const closedWithinMs = ({ windowMs }: VerdictLimits): number => windowMs + 5 * SAVED_MS;
