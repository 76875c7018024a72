import { Command } from 'commander';
import { isEventsError } from '../core/errors.js';
import { type Position, stageAfter } from '../core/migration/stage.js';
import { goneFrom, readAudit, type ToldEntry } from '../migration/audit.js';
import type { FlagState } from '../migration/flag-state.js';
import type { GateResult } from '../migration/gate.js';
import { moveCommand, positionText } from '../migration/position-text.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import type { Terminal } from '../terminal/io.js';
import { lineForPeople } from '../terminal/safe-text.js';
import type { CommandDeps, Session } from './deps.js';
import { authorOf, currentLogin } from './flag-author.js';
import { FLAG_FILE_OPTION } from './flag-file-option.js';
import { askGate, type EvidenceOptions } from './flag-gate.js';
import { type OpenedFlag, openFlag } from './flag-move.js';
import {
  checksText,
  gateDocument,
  originText,
  pathsTable,
  stateDocument,
  variableText,
} from './flag-text.js';

interface StatusOptions extends EvidenceOptions {
  readonly file?: string;
}

/** `flag status`, or `flag` alone: where it stands, and whether it may go on. */
export function flagStatusCommand(deps: CommandDeps): Command {
  return new Command('status')
    .description(
      'Show where the flag stands, what both paths do now, and what the gate says about the next step.',
    )
    .option(...FLAG_FILE_OPTION)
    .option('--verdict <file>', 'take the verdict from what `shadow verdict --json` printed')
    .option('--store <file>', 'take the verdict from this shadow run (default ./.atma-events/shadow.db)')
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events flag
  $ atma-events flag --json
  $ atma-events flag status --file /srv/shared/flags.json

A broker or a shadow run that cannot be asked is shown as a check that is not ok; it does not make the command fail.

JSON: {"stage","percent","useEventDriven","epoch","changedAt","changedBy","reason","gate":{"to":{"stage","percent"},"open",
"checks":[{"check","ok","text"}]}|null}; gate is null where there is no next step.
Exit codes: 0, or 2 where the flag file cannot be used.`,
    )
    .action((options: StatusOptions, command: Command) =>
      deps.run(command, (session) => runStatus(options, session)),
    );
}

async function runStatus(options: StatusOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals } = session;
  const opened = await openFlag(options, session);
  const { file, state, hash } = opened;
  const gate = await gateOfNext(opened, options, session);
  if (globals.json) {
    await terminal.json({ ...stateDocument(state), gate: gate === null ? null : gateDocument(gate) });
  } else {
    await terminal.out(renderStatus(state, gate, terminal));
  }
  const where = hash === null ? `There is no flag file ${file}: that means off.` : `Flag file: ${file}`;
  terminal.note(lineForPeople(where));
  return EXIT.done;
}

/** Null where there is no next step. A trail that cannot be read is told, and keeps the gate closed. */
async function gateOfNext(
  { settings, file, state, hash }: OpenedFlag,
  options: StatusOptions,
  session: Session,
): Promise<GateResult | null> {
  const { terminal } = session;
  const to = nextOf(state);
  try {
    const cutOff = readAudit(file).find(({ settled }) => !settled);
    if (cutOff !== undefined) terminal.warn(lineForPeople(cutOffText(cutOff)));
    const gone = hash === null ? goneFrom(file) : undefined;
    if (gone !== undefined) terminal.warn(goneText(gone));
    if (to === undefined) return null;
    const by = authorOf(undefined, terminal.streams.environment, currentLogin());
    return (await askGate({ flagFile: file, to, by, reason: undefined }, options, settings, session)).gate;
  } catch (error) {
    if (!isEventsError(error, 'storage')) throw error;
    terminal.warn(lineForPeople(`${error.message} ${error.hint ?? ''}`));
    return to === undefined ? null : { to, open: false, checks: [] };
  }
}

function goneText(from: Position): string {
  return `The flag file is gone; the last move had put it to ${positionText(from)}. Services that run stay there, those that start are off. To have all of them in off: atma-events flag off.`;
}

function cutOffText({ by, at, from, to, action }: ToldEntry): string {
  const what = `The move from ${positionText(from)} to ${positionText(to)} (${by}, ${at}) was cut off, or is being made right now: `;
  return action === 'done'
    ? `${what}the flag file says that it happened.`
    : `${what}the flag file says that it did not happen. Make it again if it is still wanted.`;
}

/** The stage for all jobs that it has begun with, else the stage after it; undefined at the end. */
function nextOf({ stage, percent }: Position): Position | undefined {
  const next = percent < 100 ? stage : stageAfter(stage);
  return next === undefined ? undefined : { stage: next, percent: 100 };
}

/** Pure but for the terminal's colours. */
export function renderStatus(
  state: FlagState,
  gate: GateResult | null,
  terminal: Pick<Terminal, 'style'>,
): string {
  return [
    `${terminal.style.bold(positionText(state))}${originText(state)}`,
    variableText(state),
    '',
    pathsTable(state, state.samplePercent),
    '',
    ...(gate === null ? ['There is no next step: the callbacks are gone.'] : nextText(gate, terminal)),
  ].join('\n');
}

function nextText(gate: GateResult, terminal: Pick<Terminal, 'style'>): string[] {
  return [
    `Next: ${positionText(gate.to)}. The gate is ${gate.open ? 'open' : 'closed'}:`,
    checksText(gate, terminal),
    ...(gate.open ? ['', `To move there: ${moveCommand(gate.to)}`] : []),
  ];
}
