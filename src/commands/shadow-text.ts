/** The report of a shadow run as lines for a terminal: what matters first, and what to do about each thing. */
import { percent, plural, thousands, time } from '../shadow/quantities.js';
import { nameOf } from '../shadow/reasons.js';
import {
  EVIDENCE_NAMES,
  EXTRA_NAMES,
  isoOf,
  meaningOf,
  OUTCOME_NAMES,
  percentilesOf,
  type StratumFigures,
  shortTime,
  strataOf,
  UNMATCHED,
  waitText,
} from '../shadow/report/figures.js';
import type { RunSummary } from '../shadow/run-summary.js';
import { describeSkew } from '../shadow/skew.js';
import type { TestResult } from '../shadow/strata.js';
import type { Judgement } from '../shadow/verdict.js';
import { lineForPeople } from '../terminal/safe-text.js';
import { renderTable } from '../terminal/table.js';

export interface ReportTextOptions {
  /** Causes told one by one. Default 10. */
  readonly top?: number;
}

const TOP = 10;
/** Of extra observations, unmapped fields and gaps: enough to see what they are. */
const FEW = 8;

/** Lines fit for a terminal as well as for a pipe; none has colours or anything from outside that could drive it. */
export function reportText(
  summary: RunSummary,
  judgement: Judgement,
  { top = TOP }: ReportTextOptions = {},
): string[] {
  const strata = strataOf(summary, judgement);
  return [
    ...verdictLines(judgement),
    '',
    ...spanLines(summary),
    '',
    ...strataLines(strata),
    ...section('What came of the legs', [...outcomeLines(strata, summary), ...leftOutLines(summary)]),
    ...section('What is not in order', findingLines(summary, top)),
    ...section('How long it takes', latencyLines(strata, summary)),
    ...section('Seen, and part of no leg', extraLines(summary)),
    ...section('Fields that are not compared', unmappedLines(summary)),
    ...section('Sources', sourceLines(summary)),
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines];
}

function verdictLines(judgement: Judgement): string[] {
  return [
    `${judgement.verdict}  ${meaningOf(judgement)}`,
    ...judgement.reasons.map(({ stratum, text }) =>
      lineForPeople(stratum === null ? `  - ${text}` : `  - ${stratum}: ${text}`),
    ),
  ];
}

function spanLines({ from, to, observations, windowMs, budgetMs, counts }: RunSummary): string[] {
  const span = from === null || to === null ? 'Nothing was seen' : `${time(from)} to ${time(to)}`;
  const budget =
    budgetMs === null ? '' : `; an event in time comes within ${shortTime(budgetMs)} of its callback`;
  return [
    `${span}: ${plural(observations, 'observation')}, ${plural(counts.totals.pending, 'leg')} still open.`,
    `A leg waits ${shortTime(windowMs)} for its other path${budget}.`,
  ];
}

function strataLines(strata: readonly StratumFigures[]): string[] {
  const rows = strata.flatMap(({ judged }) => [
    testRow(nameOf(judged), 'same', judged, judged.waiver !== null),
    ...(judged.latency === null ? [] : [testRow('', 'in time', judged.latency, judged.waiver !== null)]),
  ]);
  return table(
    ['EVENT × CONSUMER', 'TEST', 'LEGS', 'BAD', 'SHARE BAD, 95 %', 'CLEAN LEGS NEEDED', 'WHEN'],
    rows,
  );
}

function testRow(name: string, test: string, result: TestResult, waived: boolean): string[] {
  const { legs, bad, interval, finding, neededCleanLegs } = result;
  const share = legs === 0 ? '-' : `${percent(interval.low)} to ${percent(interval.high)}`;
  const row = [name, test, thousands(legs), thousands(bad), share];
  if (finding === 'safe') return [...row, '0', 'shown'];
  if (finding === 'unsafe') return [...row, '-', 'a new run, when mended'];
  if (waived) return [...row, '0', 'waived'];
  return [...row, thousands(neededCleanLegs), waitText(result)];
}

function outcomeLines(strata: readonly StratumFigures[], { counts: { totals } }: RunSummary): string[] {
  const seen = UNMATCHED.filter((outcome) => totals[outcome] > 0);
  const columns = ['match', ...seen] as const;
  const numbers = (
    of: { readonly [outcome in (typeof columns)[number]]: number } | undefined,
    open: number,
  ) => [...columns.map((outcome) => thousands(of?.[outcome] ?? 0)), thousands(open)];
  return table(
    ['EVENT × CONSUMER', ...columns.map((outcome) => OUTCOME_NAMES[outcome].toUpperCase()), 'OPEN'],
    [
      ...strata.map(({ judged, tally }) => [nameOf(judged), ...numbers(tally?.outcomes, judged.pending)]),
      ['all', ...numbers(totals, totals.pending)],
    ],
  );
}

function leftOutLines({ counts }: RunSummary): string[] {
  const leftOut = counts.strata.reduce((sum, stratum) => sum + (stratum.leftOut ?? 0), 0);
  if (leftOut === 0) return [];
  return [`Besides, ${plural(leftOut, 'event')} with nothing to compare: their callbacks were not sent.`];
}

function findingLines({ findings }: RunSummary, top: number): string[] {
  const lines = findings.slice(0, top).flatMap((finding, index) => {
    const { count, outcome, evidence, says, fix, examples } = finding;
    const [example] = examples;
    return [
      `${index + 1}. ${thousands(count)} × ${OUTCOME_NAMES[outcome]}, ${nameOf(finding)} (${EVIDENCE_NAMES[evidence]})`,
      `   ${says}`,
      ...(example === undefined ? [] : [`   Example: ${exampleText(example)}`]),
      `   To do: ${fix}`,
    ].map(lineForPeople);
  });
  const more = findings.length - top;
  return more > 0 ? [...lines, `${plural(more, 'rarer cause')} more: --json and --html have them.`] : lines;
}

function exampleText({
  job,
  attempt,
  at,
  lines,
}: RunSummary['findings'][number]['examples'][number]): string {
  const places = [
    ...(lines.callback > 0 ? [`callback in line ${lines.callback}`] : []),
    ...(lines.event > 0 ? [`event in line ${lines.event}`] : []),
  ];
  return [`job ${job}`, ...(attempt > 1 ? [`attempt ${attempt}`] : []), at, ...places].join(', ');
}

function latencyLines(strata: readonly StratumFigures[], { skew }: RunSummary): string[] {
  const rows = strata.flatMap(({ judged, times }) => {
    if (times === undefined) return [];
    return [
      [nameOf(judged), 'callback answered in', ...percentiles(times.callback)],
      ['', 'event after callback', ...percentiles(times.lag)],
    ];
  });
  return [
    ...(rows.length === 0
      ? []
      : table(['EVENT × CONSUMER', '', 'P50', 'P90', 'P99', 'LONGEST', 'LEGS'], rows)),
    ...(skew === null ? [] : [lineForPeople(describeSkew('the callbacks', 'the events', skew))]),
  ];
}

function percentiles(json: Parameters<typeof percentilesOf>[0]): string[] {
  const { p50, p90, p99, max, count } = percentilesOf(json);
  return [shortTime(p50), shortTime(p90), shortTime(p99), shortTime(max), thousands(count)];
}

function extraLines({ counts: { extra, totals } }: RunSummary): string[] {
  const lines = extra
    .slice(0, FEW)
    .map(({ what, reason, count, source, line }) =>
      lineForPeople(
        `  ${thousands(count)} × ${what} (${EXTRA_NAMES[reason] ?? reason}), first in ${source}${line > 0 ? `, line ${line}` : ''}`,
      ),
    );
  return totals.extra === 0
    ? []
    : [...lines, ...rest(extra.length), '  To do: map it (docs/shadow.md), or see who sends it.'];
}

function unmappedLines({ unmapped }: RunSummary): string[] {
  const lines = unmapped
    .slice(0, FEW)
    .map((field) =>
      lineForPeople(`  ${field.path} (${field.side}, ${nameOf(field)}), ${plural(field.count, 'time')}`),
    );
  return lines.length === 0
    ? []
    : [
        ...lines,
        ...rest(unmapped.length),
        '  To do: map or ignore each; `shadow suggest` proposes what to ignore.',
      ];
}

function sourceLines({ sources, gaps }: RunSummary): string[] {
  const told = sources.map(({ source, path, watermark, stalledSince }) => {
    const until = isoOf(watermark);
    const complete = until === null ? 'nothing told yet' : `complete until ${until}`;
    const stalled = stalledSince === null ? '' : `, STALLED since ${isoOf(stalledSince)}`;
    return lineForPeople(`  ${source} (${path}): ${complete}${stalled}`);
  });
  const missed = gaps.slice(0, FEW).map(({ source, from, to }) => {
    const begin = from <= 0 ? 'the beginning' : isoOf(from);
    return lineForPeople(`  GAP of ${source}: from ${begin} ${to === null ? 'on' : `to ${isoOf(to)}`}`);
  });
  return [...told, ...missed, ...rest(gaps.length)];
}

function rest(count: number): string[] {
  return count > FEW ? [`  and ${thousands(count - FEW)} more`] : [];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return renderTable(
    head,
    rows.map((row) => row.map(lineForPeople)),
  ).split('\n');
}
