/** The flag in words. Pure. */
import {
  allUseEvents,
  PATHS,
  type Paths,
  type Position,
  type Stage,
  stageBefore,
} from '../core/migration/stage.js';
import type { FlagState } from '../migration/flag-state.js';
import type { GateResult } from '../migration/gate.js';
import { time } from '../shadow/quantities.js';
import type { Terminal } from '../terminal/io.js';
import { lineForPeople } from '../terminal/safe-text.js';
import { renderTable } from '../terminal/table.js';

const CALLBACKS: { readonly [how in Paths['callbacks']]: string } = {
  applied: 'sent, applied',
  'dry-run': 'sent, marked dry run',
  sample: 'a sample sent, marked dry run',
  none: 'none',
};

const EVENTS: { readonly [how in Paths['events']]: string } = {
  none: 'none',
  observed: 'published, only observed',
  'dry-run': 'consumed in dry run',
  applied: 'consumed, applied',
};

/** What each share of the jobs does on both paths. */
export function pathsTable(position: Position, samplePercent: number): string {
  const { stage, percent } = position;
  const before = stageBefore(stage);
  const shares: [Stage, number][] = [[stage, percent]];
  if (before !== undefined && percent < 100) shares.push([before, 100 - percent]);
  return renderTable(
    ['STAGE', 'JOBS', 'CALLBACKS', 'EVENTS', 'AUTHORITATIVE'],
    shares.map(([each, share]) => {
      const { callbacks, events, authoritative } = PATHS[each];
      const sent = callbacks === 'sample' ? `${samplePercent} % sent, marked dry run` : CALLBACKS[callbacks];
      return [each, `${share} %`, sent, EVENTS[events], authoritative];
    }),
  );
}

/** `USE_EVENT_DRIVEN=false`, as `flag env` would write it. */
export function variableText(position: Position): string {
  return `USE_EVENT_DRIVEN=${allUseEvents(position)}`;
}

/** ` since TIME, by X: why`, as far as that is known. */
export function originText({ changedAt, changedBy, reason, epoch }: FlagState): string {
  const since = changedAt === null ? '' : ` since ${time(Date.parse(changedAt))}`;
  const by = changedBy === null ? '' : ` by ${changedBy}`;
  const why = reason === null || reason === '' ? '' : `: ${reason}`;
  return lineForPeople(`${since}${by} (epoch ${epoch})${why}`);
}

/** What JSON says of the flag. Field names are a public contract. */
export function stateDocument(state: FlagState) {
  const clean = (text: string | null) => (text === null ? null : lineForPeople(text));
  const { stage, percent, epoch, changedAt, changedBy, reason } = state;
  return {
    ...{ stage, percent, useEventDriven: allUseEvents(state), epoch, changedAt },
    ...{ changedBy: clean(changedBy), reason: clean(reason) },
  };
}

/** A line per check: what is and, where it is not in order, what to do. */
export function checksText({ checks }: GateResult, { style }: Pick<Terminal, 'style'>): string {
  return checks
    .map(({ check, ok, text }) => {
      const mark = ok ? style.green('ok     ') : style.red('not ok ');
      return `  ${mark} ${check.padEnd(13)} ${lineForPeople(text)}`;
    })
    .join('\n');
}

/** What JSON says of a gate. Field names are a public contract. */
export function gateDocument(gate: GateResult): object {
  return {
    to: { stage: gate.to.stage, percent: gate.to.percent },
    open: gate.open,
    checks: gate.checks.map(({ check, ok, text }) => ({ check, ok, text: lineForPeople(text) })),
  };
}
