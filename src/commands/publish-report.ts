/** What `publish` says in the end, and with which exit code. */

import type { EventsError } from '../core/errors.js';
import { describeIssues } from '../core/events/field-issues.js';
import type { StopReason, StreamError, StreamReport } from '../core/publishing/stream.js';
import { EXIT, type ExitCode, exitCodeOf } from '../terminal/exit-codes.js';
import type { Terminal } from '../terminal/io.js';
import { reportError } from '../terminal/report-error.js';
import { lineForPeople, safeLine } from '../terminal/safe-text.js';
import type { Session } from './deps.js';

interface PublishContext {
  readonly type: string | undefined;
  /** Id of the event, when there is just one. */
  readonly id?: string;
  readonly file: string | undefined;
  readonly dryRun: boolean;
  /** Undefined when the broker was never reached. */
  readonly address?: string;
  readonly elapsedMs: number;
}

/** The report when nothing could be sent: wrong input, or a broker that was not reached. */
export function notStarted(error: EventsError, failed: number, firstLine: number): StreamReport {
  const stopped = exitCodeOf(error.code) === EXIT.unreachable ? 'broker' : 'source';
  const errors = [{ line: firstLine, error }];
  return { published: 0, confirmed: 0, returned: 0, failed, errors, stopped, continueFrom: firstLine };
}

/** Prints the report; returns the exit code of `publishExitCode`. */
export async function finishPublish(
  report: StreamReport,
  { terminal, globals }: Session,
  context: PublishContext,
): Promise<ExitCode> {
  if (globals.json) {
    const { published, confirmed, returned, failed, errors, continueFrom } = report;
    await terminal.json({
      ...(context.dryRun ? { published: 0, confirmed: 0 } : { published, confirmed }),
      returned,
      failed,
      errors: errors.map(({ line, error }) => ({
        ...(context.file !== undefined && context.address !== undefined && { line }),
        code: error.code,
        message: messageWithIssues({ line, error }),
      })),
      ...(context.file !== undefined && continueFrom !== undefined && { startLine: continueFrom }),
    });
  } else if (context.address !== undefined && (context.file !== undefined || report.published > 0)) {
    await terminal.out(renderReport(report, context));
  }
  printErrors(report, context, terminal, globals.debug);
  return publishExitCode(report);
}

/**
 * | outcome | exit |
 * |---|---|
 * | interrupted | 130 |
 * | the broker went away, or could not be reached | 5, storage 1 |
 * | everything confirmed | 0 |
 * | some confirmed, some not | 3 |
 * | nothing confirmed | that of the first error: 2 for invalid input, 1 for returned or refused |
 */
export function publishExitCode(report: StreamReport): ExitCode {
  if (report.stopped === 'interrupted') return EXIT.interrupted;
  const [first] = report.errors;
  if (!first) return EXIT.done;
  if (report.stopped === 'broker') {
    const ended = report.errors.find(({ error }) => exitCodeOf(error.code) === EXIT.unreachable);
    return exitCodeOf((ended ?? first).error.code);
  }
  return report.confirmed > 0 ? EXIT.partly : exitCodeOf(first.error.code);
}

function renderReport(
  report: StreamReport,
  { type, id, dryRun, address, elapsedMs }: PublishContext,
): string {
  const what = type === undefined ? 'events' : id === undefined ? type : `${type} ${safeLine(id)}`;
  if (dryRun) return `Dry run: ${report.confirmed} ${what} valid, ${report.failed} not; nothing was sent.`;
  const seconds = elapsedMs / 1000;
  const rate = report.confirmed > 1 && seconds > 0 ? `, ${Math.round(report.confirmed / seconds)}/s` : '';
  const parts = [`${report.confirmed} confirmed`];
  if (report.returned > 0) parts.push(`${report.returned} returned`);
  if (report.failed > 0) parts.push(`${report.failed} failed`);
  return `${what}: ${parts.join(', ')} by ${address} in ${seconds.toFixed(seconds < 10 ? 2 : 0)} s${rate}`;
}

const SHOWN_ERRORS = 20;

function printErrors(
  report: StreamReport,
  { file, address }: PublishContext,
  terminal: Terminal,
  debug: boolean,
): void {
  const say = (line: string) => terminal.err(safeLine(line));
  const reached = address !== undefined;
  let lastHint: string | undefined;
  for (const each of report.errors.slice(0, SHOWN_ERRORS)) {
    const ofSource = report.stopped === 'source' && each === report.errors.at(-1);
    if (file === undefined || !reached || ofSource) reportError(each.error, terminal, debug);
    else {
      say(`error: ${file === '-' ? 'stdin' : file}:${each.line}: ${messageWithIssues(each)}`);
      if (each.error.hint && each.error.hint !== lastHint) say(`  ${each.error.hint}`);
      lastHint = each.error.hint;
    }
  }
  const more = report.errors.length - SHOWN_ERRORS;
  if (more > 0) say(`… and ${more} more errors`);
  if (reached && report.stopped !== undefined) {
    const next = file === undefined ? '' : ` Continue with --start-line ${report.continueFrom}.`;
    say(`${STOPPED[report.stopped]}.${next}`);
  }
  if (report.errors.some(({ error }) => error.code === 'publish-unknown')) {
    say(
      'What has no known outcome may have arrived: sent again it may arrive twice, under one id if it has one of its own.',
    );
  }
}

const STOPPED: { readonly [reason in StopReason]: string } = {
  interrupted: 'Interrupted',
  broker: 'Stopped, because every further event would meet the same',
  errors: 'Stopped after too many errors (--max-errors)',
  source: 'Stopped because the input ended in an error',
};

function messageWithIssues({ error }: StreamError): string {
  const { issues, message } = error;
  const text =
    issues.length === 0 || message.includes(issues[0]?.message ?? '')
      ? message
      : `${message}: ${describeIssues(issues)}`;
  return lineForPeople(text);
}
