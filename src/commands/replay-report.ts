/** What a replay says in the end, what to do next in each case, and with which exit code. */
import type { ReplayReport, Skipped, SkipReason } from '../dead-letters/replay-types.js';
import { EXIT, type ExitCode, exitCodeOf } from '../terminal/exit-codes.js';
import type { Terminal } from '../terminal/io.js';
import { reportError } from '../terminal/report-error.js';
import { forPeople } from '../terminal/safe-text.js';

export interface ReportContext {
  readonly elapsedMs: number;
  /** Absolute path of the ledger. */
  readonly ledger: string;
  /** What a `--resume` needs besides the id: ` --ledger FILE`, say. */
  readonly resumeOptions: string;
  /** Ids that were asked for and are not in the queue. */
  readonly missingIds: readonly string[];
  /** Some dead letters lacked a field that the filter names. */
  readonly unfit: boolean;
  readonly debug: boolean;
}

/** The JSON of one replay. Field names are a public contract. */
export function replayDocument(report: ReplayReport, missingIds: readonly string[]): object {
  const {
    id,
    queue,
    replayed,
    skipped,
    boomeranged,
    possibleDuplicates,
    left,
    stopped,
    waiting = 0,
    untaken = 0,
  } = report;
  return {
    ...{ id, queue, replayed, skipped, boomeranged, possibleDuplicates, left },
    ...(stopped !== undefined && { stopped }),
    ...(waiting > 0 && { waiting }),
    ...(untaken > 0 && { untaken }),
    ...(missingIds.length > 0 && { unknownIds: missingIds }),
  };
}

/**
 * | outcome | exit |
 * |---|---|
 * | interrupted | 130 |
 * | the broker went away | 5 |
 * | everything that was meant was replayed, or there was nothing | 0 |
 * | some were skipped or not found, or it stopped (canary, errors), and some were replayed | 3 |
 * | the same, and none was replayed | 1 |
 */
export function replayExitCode(report: ReplayReport, missingIds: readonly string[]): ExitCode {
  if (report.stopped === 'interrupted') return EXIT.interrupted;
  if (report.stopped === 'broker') return report.error ? exitCodeOf(report.error.code) : EXIT.unreachable;
  const failed = skippedIn(report) > 0 || missingIds.length > 0 || report.stopped !== undefined;
  if (!failed) return EXIT.done;
  return report.replayed > 0 ? EXIT.partly : EXIT.failed;
}

/** Of several queues: what ended the work, else 0 or 1 where all agree, else 3. */
export function combinedExitCode(codes: readonly ExitCode[]): ExitCode {
  const ended = codes.find((code) => code === EXIT.interrupted || code === EXIT.unreachable);
  if (ended !== undefined) return ended;
  const [first, ...rest] = codes;
  if (first === undefined) return EXIT.done;
  return rest.every((code) => code === first) ? first : EXIT.partly;
}

/** Prints the summary of one replay: the result on stdout, what to do about it on stderr. */
export async function printReplay(
  report: ReplayReport,
  terminal: Terminal,
  context: ReportContext,
): Promise<void> {
  await terminal.out(forPeople(renderSummary(report, context)));
  if (report.error) reportError(report.error, terminal, context.debug);
  for (const line of adviceOn(report, context)) terminal.err(forPeople(line));
}

/** Counts, one line each; pure. */
export function renderSummary(report: ReplayReport, { elapsedMs }: Pick<ReportContext, 'elapsedMs'>): string {
  const { queue, id, replayed, boomeranged, waiting = 0, possibleDuplicates, left, watched } = report;
  const seconds = elapsedMs / 1000;
  const rate = replayed > 1 && seconds > 0 ? `, ${Math.round(replayed / seconds)}/s` : '';
  const lines = [
    `${queue}: ${replayed} replayed in ${seconds.toFixed(seconds < 10 ? 2 : 0)} s${rate} (replay ${id})`,
  ];
  for (const [reason, count] of skippedEntries(report.skipped))
    lines.push(`  ${count} skipped: ${SKIPPED[reason].because}`);
  if (waiting > 0) lines.push(`  ${waiting} failed again and wait for a retry`);
  if (boomeranged > 0) {
    const depth =
      watched === 'depth' ? ', counted by the depth of the queue: other deaths are among them' : '';
    lines.push(`  ${boomeranged} died again${depth}`);
  }
  if (possibleDuplicates > 0) {
    lines.push(
      `  ${possibleDuplicates} possible duplicate${possibleDuplicates === 1 ? '' : 's'}: sent again, because no confirm of the first time is on record`,
    );
  }
  lines.push(`  ${left} left in ${queue}`);
  return lines.join('\n');
}

/** What to do next, for each thing that did not go as asked; pure. */
export function adviceOn(
  report: ReplayReport,
  context: Omit<ReportContext, 'elapsedMs' | 'debug'>,
): string[] {
  const { id, queue, stopped } = report;
  const advice: string[] = [];
  const resume = `atma-events replay-dlq --resume ${id}${context.resumeOptions}`;
  if (context.missingIds.length > 0) advice.push(notFound(context.missingIds, queue));
  if (context.unfit) advice.push('Dead letters that lack a field which --filter names were not selected.');
  for (const [reason] of skippedEntries(report.skipped)) advice.push(`${reason}: ${SKIPPED[reason].next}`);
  if (report.possibleDuplicates > 0) {
    advice.push('Possible duplicates have the message id of the first: an effect under once() happens once.');
  }
  if (stopped === undefined) {
    if (report.boomeranged > 0) advice.push(`See why they died again: atma-events dlq groups ${queue}`);
    return advice;
  }
  if (stopped === 'canary') return [...advice, ...adviceOfCanary(report, resume)];
  advice.push(
    stopped === 'broker'
      ? `${STOPPED[stopped]}: a message may be in ${queue} and delivered; only --resume can tell. Ledger: ${context.ledger}`
      : `${STOPPED[stopped]}: each message is in ${queue} or delivered. Ledger: ${context.ledger}`,
    `continue with: ${resume}`,
  );
  return advice;
}

function adviceOfCanary(
  { queue, boomeranged, waiting = 0, untaken = 0 }: ReplayReport,
  resume: string,
): string[] {
  const failed = boomeranged + waiting > 0;
  return [
    ...(failed
      ? [
          'The canary stopped it: too many of those replayed failed again. The rest was not touched.',
          `See why: atma-events dlq groups ${queue}. When the cause is mended: ${resume}`,
        ]
      : []),
    ...(untaken > 0
      ? [
          `${failed ? 'And' : 'The canary stopped it:'} no consumer has taken ${untaken} of those sent last. The rest was not touched.`,
          `Is the service running, and its circuit closed? Once it takes them: ${resume} (--canary-wait gives a slow one more time).`,
        ]
      : []),
  ];
}

const STOPPED = {
  interrupted: 'Interrupted',
  errors: 'Stopped, because the next would meet the same',
  broker: 'Stopped, because the broker is gone',
} as const;

const SKIPPED: { readonly [reason in SkipReason]: { readonly because: string; readonly next: string } } = {
  'no-target': {
    because: 'nothing tells which queue they came from',
    next: 'name the queue that should get them with --to NAME.',
  },
  'own-queue': {
    because: 'they would go back into the dead-letter queue itself',
    next: 'name another queue with --to NAME.',
  },
  'queue-missing': {
    because: 'the queue that they came from does not exist',
    next: 'create it (setup, or the service that owns it), or name another with --to NAME.',
  },
  'exchange-missing': {
    because: 'the exchange that they came from does not exist',
    next: 'create it (setup), or bring them back to their queue with --to queue.',
  },
  unroutable: {
    because: 'no queue is bound for them',
    next: 'bind one (setup), or bring them back to their queue with --to queue.',
  },
  'publish-refused': {
    because: 'the broker refused them (a full queue, a disk limit)',
    next: 'make room, then replay again: they are where they were.',
  },
};

/** What a skip reason means, for people. */
export function skippedBecause(reason: SkipReason): string {
  return SKIPPED[reason].because;
}

/** Reasons with their counts, without those that did not occur. */
export function skippedEntries(skipped: Skipped): [SkipReason, number][] {
  return Object.entries(skipped).flatMap(([reason, count]) =>
    count > 0 && isSkipReason(reason) ? [[reason, count]] : [],
  );
}

function isSkipReason(text: string): text is SkipReason {
  return Object.hasOwn(SKIPPED, text);
}

function skippedIn(report: Pick<ReplayReport, 'skipped'>): number {
  return skippedEntries(report.skipped).reduce((sum, [, count]) => sum + count, 0);
}

const SHOWN_IDS = 5;

function notFound(ids: readonly string[], queue: string): string {
  const more = ids.length > SHOWN_IDS ? ` and ${ids.length - SHOWN_IDS} more` : '';
  return `Not in ${queue}: ${ids.slice(0, SHOWN_IDS).join(', ')}${more}. atma-events dlq show ${queue} lists the ids.`;
}
