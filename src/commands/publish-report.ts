/** What `publish` says in the end, and with which exit code. */
import { describeIssues } from '../core/events/codec.js';
import type { StreamError, StreamReport } from '../core/publishing/stream.js';
import { EXIT, type ExitCode, exitCodeOf } from '../terminal/exit-codes.js';
import { hideEmails, hidePasswords, safeLine } from '../terminal/safe-text.js';
import type { Session } from './deps.js';

interface PublishContext {
  readonly type: string | undefined;
  readonly file: string | undefined;
  readonly dryRun: boolean;
  readonly address: string;
  readonly elapsedMs: number;
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
        ...(context.file !== undefined && { line }),
        code: error.code,
        message: messageWithIssues({ line, error }),
      })),
      ...(context.file !== undefined && continueFrom !== undefined && { startLine: continueFrom }),
    });
  } else {
    await terminal.out(renderReport(report, context));
  }
  for (const line of renderErrors(report, context)) terminal.streams.stderr.write(`${line}\n`);
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

function renderReport(report: StreamReport, { type, dryRun, address, elapsedMs }: PublishContext): string {
  const what = type ?? 'events';
  if (dryRun) return `Dry run: ${report.confirmed} ${what} valid, ${report.failed} not; nothing was sent.`;
  const seconds = elapsedMs / 1000;
  const rate = report.confirmed > 1 && seconds > 0 ? `, ${Math.round(report.confirmed / seconds)}/s` : '';
  const parts = [`${report.confirmed} confirmed`];
  if (report.returned > 0) parts.push(`${report.returned} returned`);
  if (report.failed > 0) parts.push(`${report.failed} failed`);
  return `${what}: ${parts.join(', ')} by ${address} in ${seconds.toFixed(seconds < 10 ? 2 : 0)} s${rate}`;
}

const SHOWN_ERRORS = 20;

function renderErrors(report: StreamReport, { file }: PublishContext): string[] {
  const where = file === '-' ? 'stdin' : file;
  const lines = report.errors.slice(0, SHOWN_ERRORS).map((each) => {
    const text = `error: ${where === undefined ? '' : `${where}:${each.line}: `}${messageWithIssues(each)}`;
    return each.error.hint ? `${text}\n  ${safeLine(each.error.hint)}` : text;
  });
  const more = report.errors.length - SHOWN_ERRORS;
  if (more > 0) lines.push(`… and ${more} more errors`);
  if (where === undefined || report.continueFrom === undefined) return lines;
  const why = {
    interrupted: 'Interrupted',
    broker: 'Stopped because the broker went away',
    errors: 'Stopped after too many errors (--max-errors)',
  }[report.stopped ?? 'errors'];
  lines.push(`${why}. Continue with --start-line ${report.continueFrom}.`);
  if (report.errors.some(({ error }) => error.code === 'publish-unknown')) {
    lines.push('Some of the lines from there on may have arrived; sent again they have the same ids.');
  }
  return lines;
}

function messageWithIssues({ error }: StreamError): string {
  const { issues, message } = error;
  const text =
    issues.length === 0 || message.includes(issues[0]?.message ?? '')
      ? message
      : `${message}: ${describeIssues(issues)}`;
  return hideEmails(hidePasswords(safeLine(text)));
}
