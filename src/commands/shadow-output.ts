/** What `shadow compare`, `verdict` and `report` give out: the report in every form asked for, and the exit code. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { EventsError } from '../core/errors.js';
import type { ShadowMapping } from '../core/shadow-mapping.js';
import type { Settings } from '../project/settings.js';
import type { LegRow, RunSummary } from '../shadow/run-summary.js';
import type { Judgement, Verdict } from '../shadow/verdict.js';
import { requireWritable, writeWhole } from '../storage/whole-file.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import type { Terminal } from '../terminal/io.js';
import { reportError } from '../terminal/report-error.js';
import type { Session } from './deps.js';

const EXIT_OF: { readonly [verdict in Verdict]: ExitCode } = {
  SAFE: EXIT.done,
  UNSAFE: EXIT.difference,
  INCONCLUSIVE: EXIT.inconclusive,
};

export function exitCodeOfVerdict({ verdict }: Pick<Judgement, 'verdict'>): ExitCode {
  return EXIT_OF[verdict];
}

/** Paints the word. */
export function colourOf({ verdict }: Pick<Judgement, 'verdict'>, { style }: Pick<Terminal, 'style'>) {
  return { SAFE: style.green, UNSAFE: style.red, INCONCLUSIVE: style.yellow }[verdict];
}

/** Files that a report is written to. */
export interface ReportFiles {
  readonly html?: string;
  readonly junit?: string;
}

/** Throws `usage` where one of them cannot be written, is one of those that are `read`, or both are one. */
export function requireReportFiles(
  { html, junit }: ReportFiles,
  read: readonly string[],
  { terminal }: Session,
): void {
  const paths = [html, junit].filter((name) => name !== undefined).map((name) => pathOf(name, terminal));
  for (const path of paths) {
    requireWritable(path);
    if (read.some((name) => isOneFile(pathOf(name, terminal), path))) {
      throw new EventsError('usage', `The report would replace ${path}, which it is made from`, {
        hint: 'Name another file.',
      });
    }
  }
  if (paths.length === 2 && paths[0] === paths[1]) {
    throw new EventsError('usage', `--html and --junit name one file, ${paths[0]}`, { hint: 'Name two.' });
  }
}

/** Also by another name. A device is no file. */
function isOneFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false }));
  return a?.isFile() === true && a.ino === b?.ino && a.dev === b.dev;
}

/** A run, judged, with the legs that are listed. */
export interface JudgedRun {
  readonly summary: RunSummary;
  readonly judgement: Judgement;
  /** The first of them, or the latest. */
  readonly legs: readonly LegRow[];
  readonly legCount: number;
  /** Heads the page. */
  readonly title: string;
}

/**
 * The report on stdout, then in the files that were asked for, each whole or not at all. A file that cannot be written is told
 * on stderr and gives the exit code: what took hours to compare is not lost with it. Else `exitCode`.
 */
export async function deliver(
  files: ReportFiles,
  run: JudgedRun,
  exitCode: ExitCode,
  session: Session,
  more: object = {},
): Promise<ExitCode> {
  const { terminal, globals } = session;
  await showReport(run, session, more);
  try {
    await writeReportFiles(files, run, session);
    return exitCode;
  } catch (error) {
    return reportError(error, terminal, globals.debug);
  }
}

async function writeReportFiles(files: ReportFiles, run: JudgedRun, session: Session): Promise<void> {
  const { terminal } = session;
  const write = (name: string, text: string) => {
    writeWhole(pathOf(name, terminal), text);
    terminal.note(`written: ${name}`);
  };
  if (files.html !== undefined) {
    const { reportHtml } = await import('../shadow/report/html.js');
    write(files.html, reportHtml({ ...run, generatedAt: session.now() }));
  }
  if (files.junit !== undefined) {
    const { reportJunit } = await import('../shadow/report/junit.js');
    write(files.junit, reportJunit(run.summary, run.judgement));
  }
}

/** As one document with `--json`, else for people. */
async function showReport(
  { summary, judgement }: JudgedRun,
  { terminal, globals }: Session,
  more: object,
): Promise<void> {
  if (globals.json) {
    const { reportDocument } = await import('../shadow/report/json.js');
    await terminal.json({ ...reportDocument(summary, judgement), ...more });
    return;
  }
  const { reportText } = await import('./shadow-text.js');
  const [head = '', ...rest] = reportText(summary, judgement);
  const paint = colourOf(judgement, terminal);
  await terminal.out([head.replace(/^[A-Z]+/, (word) => paint(word)), ...rest].join('\n'));
}

function pathOf(name: string, { streams }: Session['terminal']): string {
  return resolve(streams.directory, name);
}

/** The mapping of the project. Throws `config-invalid` where it has none. */
export function requireMapping({ system, origin }: Settings): ShadowMapping {
  if (system.shadow !== undefined) return system.shadow;
  throw new EventsError('config-invalid', `${origin} does not say which callbacks the events replace`, {
    hint: 'Add a mapping as `shadow` to the config: docs/shadow.md explains it, and the preset atma has one.',
  });
}
