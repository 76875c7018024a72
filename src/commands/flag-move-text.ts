/** What is said of a move: before it, after it, or instead of it. Pure. */
import { allUseEvents, type Position } from '../core/migration/stage.js';
import type { FlagState } from '../migration/flag-state.js';
import type { GateResult } from '../migration/gate.js';
import { positionText } from '../migration/position-text.js';
import type { Terminal } from '../terminal/io.js';
import { lineForPeople } from '../terminal/safe-text.js';
import {
  checksText,
  gateDocument,
  originText,
  pathsTable,
  stateDocument,
  variableText,
} from './flag-text.js';

export interface MovePlan {
  readonly before: FlagState;
  readonly to: Position;
  readonly samplePercent: number;
  readonly gate: GateResult;
  readonly file: string;
}

export function planText(plan: MovePlan, terminal: Pick<Terminal, 'style'>): string {
  const { before, to, samplePercent, gate, file } = plan;
  const open = gate.checks.every(({ ok }) => ok) ? 'open' : gate.open ? 'closed, and forced' : 'closed';
  return [
    lineForPeople(`${file}: from ${positionText(before)} to ${positionText(to)}`),
    '',
    `Now (${variableText(before)}):`,
    pathsTable(before, before.samplePercent),
    '',
    `Then (${variableText(to)}):`,
    pathsTable(to, samplePercent),
    '',
    `The gate is ${open}:`,
    checksText(gate, terminal),
  ].join('\n');
}

export function questionText(from: Position, to: Position): string {
  const [now, then] = [positionText(from), positionText(to)];
  return now === then ? `Write ${then} anew?` : `Move the flag from ${now} to ${then}?`;
}

export function nothingText(state: FlagState): string {
  return `Nothing to do: the flag stands at ${positionText(state)}${originText(state)}.`;
}

export function movedText(before: FlagState, after: FlagState): string {
  const [from, to] = [positionText(before), positionText(after)];
  const what = from === to ? `Written anew: ${to}` : `Moved from ${from} to ${to}`;
  const lines = [`${what} (epoch ${after.epoch}). Services that watch the file see it within 2 seconds.`];
  if (allUseEvents(before) !== allUseEvents(after)) {
    lines.push(
      `${variableText(after)} now. For services that read a .env file: atma-events flag env FILE…, and start them again.`,
    );
  }
  return lines.join('\n');
}

/** The checks that failed; `proposedBy` where the first of two people has spoken. */
export function refusalText({ to, checks }: GateResult, proposedBy: string | undefined): string {
  const failed = checks.filter(({ ok }) => !ok);
  const lines = failed.map(({ check, text }) => lineForPeople(`  ${check}: ${text}`));
  if (proposedBy !== undefined) {
    return [
      lineForPeople(
        `Proposed ${positionText(to)} as ${proposedBy}. It takes a second person: nothing was changed.`,
      ),
      ...lines,
    ].join('\n');
  }
  const count = failed.length === 1 ? 'one check is' : `${failed.length} checks are`;
  return [`The gate refuses ${positionText(to)}: ${count} not in order. Nothing was changed.`, ...lines].join(
    '\n',
  );
}

/** Field names are a public contract. */
export function moveDocument(move: {
  readonly changed: boolean;
  readonly dryRun: boolean;
  readonly before: FlagState;
  readonly to: Position;
  /** As it is, or would be, after the move. */
  readonly after?: FlagState;
  readonly gate: GateResult | null;
  readonly forced?: boolean;
  readonly proposed?: boolean;
}): object {
  const { changed, dryRun, before, to, after = before, gate, forced = false, proposed = false } = move;
  const { epoch, changedAt, changedBy, reason } = stateDocument(after);
  return {
    ...{ changed, dryRun, forced, proposed },
    from: { stage: before.stage, percent: before.percent },
    to: { stage: to.stage, percent: to.percent },
    ...{ epoch, changedAt, changedBy, reason },
    gate: gate === null ? null : gateDocument(gate),
  };
}
