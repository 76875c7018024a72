/** The closing table of a rehearsal, and what is said before it. */
import type { Leg } from '../rehearsal/facts.js';
import type { VerdictLimits } from '../rehearsal/limits.js';
import type { LegReport, RehearsalReport } from '../rehearsal/report.js';
import { percent, plural, seconds, thousands } from '../shadow/quantities.js';
import type { Terminal } from '../terminal/io.js';
import { forPeople, lineForPeople } from '../terminal/safe-text.js';
import { renderTable } from '../terminal/table.js';

export function limitsText({ tolerated, cleanLegs, windowMs }: VerdictLimits): string {
  return `Verdicts of this rehearsal tolerate ${percent(tolerated)} bad legs (SAFE after ${thousands(cleanLegs)} clean ones of each kind) and wait ${seconds(windowMs)} for the other path: enough to show that the tools work, nothing about your services.`;
}

export const legName = (leg: Leg): string => (leg === 'back' ? 'off again' : leg);

/** Pure but for the terminal's colours. */
export function renderRehearsal(report: RehearsalReport, { style }: Pick<Terminal, 'style'>): string {
  const { stages, faults, problems, ok } = report;
  const mark = (cell: string) => (cell === 'NO' || cell === 'nobody' ? style.red(cell) : cell);
  return [
    headline(report),
    '',
    renderTable(
      ['STAGE', 'FACTS', 'EFFECTS', 'BY CALLBACK', 'BY EVENT', 'EXACTLY ONCE', 'VERDICT', 'SEEN AFTER'],
      stages.map(stageRow),
      mark,
    ),
    ...(faults.length === 0
      ? []
      : [
          '',
          renderTable(
            ['FAULT', 'STAGE', 'WHAT IT DID', 'REPORTED BY'],
            faults.map(({ fault, stage, did, reported, leftOut }) => [
              ...[fault, stage, forPeople(did)],
              forPeople(leftOut ?? reported ?? 'nobody'),
            ]),
            mark,
          ),
        ]),
    '',
    ...closingLines(report),
    ...(ok
      ? [style.green('Everything is as it should be.')]
      : [style.red('Not as it should be:'), ...problems.map((text) => lineForPeople(`  ${text}`))]),
  ].join('\n');
}

function headline({ broker, tookMs, facts, effects, exactlyOnce }: RehearsalReport): string {
  const where = broker === 'embedded' ? 'the embedded broker' : 'RabbitMQ';
  const once = exactlyOnce
    ? 'each exactly once'
    : `${thousands(effects.right)} of them right: ${thousands(effects.missing)} missing, ${thousands(effects.doubled)} doubled, ${thousands(effects.wrongPath)} on the wrong path, ${thousands(effects.stray)} stray`;
  return `From callbacks to events and back, on ${where}, in ${seconds(tookMs)}: ${plural(facts, 'fact')}, ${plural(effects.expected, 'effect')}, ${once}.`;
}

function stageRow({ leg, facts, byCallback, byEvent, exactlyOnce, verdict, seenMs }: LegReport): string[] {
  return [
    legName(leg),
    thousands(facts),
    thousands(byCallback + byEvent),
    thousands(byCallback),
    thousands(byEvent),
    exactlyOnce ? 'yes' : 'NO',
    verdict === null
      ? ''
      : `${verdict.verdict}, ${thousands(verdict.legs)} legs, ${thousands(verdict.bad)} bad`,
    seenMs === null ? '' : seconds(seenMs),
  ];
}

function closingLines({ cutOverMs, deadLetters, audit, moves }: RehearsalReport): string[] {
  const { replayed, purged, left } = deadLetters;
  const back = moves.find(({ to }) => to === 'back');
  return [
    'Jobs on their way while the flag moved count in the stage that it moved to, on either path.',
    `Cut-over: ${cutOverMs === null ? 'it did not get to complete' : `complete ${seconds(cutOverMs)} after the first move`}${back?.seenMs == null ? '' : `; back to off, seen after ${seconds(back.seenMs)}`}.`,
    `Dead letters: ${thousands(replayed)} replayed, ${thousands(purged)} that fit no schema exported and purged, ${thousands(left)} left.`,
    `Audit trail: ${thousands(audit.entries)} entries, ${audit.problems.length === 0 ? 'verified' : 'NOT in order'}.`,
  ];
}
