/** One move of the flag, as `flag set`, `flag on` and `flag off` make it: gate, question, flip. */
import { EventsError } from '../core/errors.js';
import { type Position, rankOf } from '../core/migration/stage.js';
import { goneFrom, recordProposal } from '../migration/audit.js';
import { type FlagState, readFlagFile } from '../migration/flag-file.js';
import { type MoveRequest, moveFlag, planMove } from '../migration/flip.js';
import { lacksOnlySecondPerson } from '../migration/gate.js';
import { requirePosition, requireSample, stepOf } from '../migration/position.js';
import type { Settings } from '../project/settings.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { confirm } from '../terminal/prompt.js';
import type { Session } from './deps.js';
import { authorOf, currentLogin, reasonOf } from './flag-author.js';
import { flagFileOf } from './flag-file-option.js';
import { askGate, type GateAnswer } from './flag-gate.js';
import type { MoveOptions } from './flag-move-options.js';
import {
  moveDocument,
  movedText,
  nothingText,
  planText,
  questionText,
  refusalText,
} from './flag-move-text.js';

export interface OpenedFlag {
  readonly settings: Settings;
  /** Absolute. */
  readonly file: string;
  readonly state: FlagState;
  /** Of the whole file, null where there is none: what is decided is decided about this state and no other. */
  readonly hash: string | null;
}

export async function openFlag(options: { readonly file?: string }, session: Session): Promise<OpenedFlag> {
  const settings = await session.settings();
  const file = flagFileOf(options, settings, session.terminal);
  return { settings, file, ...readFlagFile(file) };
}

/**
 * | what is | exit | the flag |
 * |---|---|---|
 * | it stands there already | 0 | stays |
 * | the gate is closed | 4 | stays; where only the second person is missing, the move is proposed |
 * | `--dry-run` | 0 | stays |
 * | the answer is no | 130 | stays |
 * | somebody else moved it meanwhile | 4 | stays where that one put it |
 * | else | 0 | moves |
 */
export async function moveFlagTo(
  to: Position,
  options: MoveOptions,
  opened: OpenedFlag,
  session: Session,
): Promise<ExitCode> {
  const { terminal, globals, signal, now } = session;
  const { settings, file, state } = opened;
  requirePosition(to);
  if (options.sample !== undefined) requireSample(options.sample);
  const step = stepOf(state, to);
  const samplePercent = sampleOf(to, options, opened);
  const isSame = step.direction === 'none' && (samplePercent ?? state.samplePercent) === state.samplePercent;
  // Services that run go on as a file said that is gone: then even `off` has to be written.
  if (isSame && (opened.hash !== null || goneFrom(file) === undefined)) {
    if (globals.json)
      await terminal.json(
        moveDocument({ changed: false, dryRun: options.dryRun, before: state, to, gate: null }),
      );
    else await terminal.out(nothingText(state));
    return EXIT.done;
  }
  const by = authorOf(options.by, terminal.streams.environment, currentLogin());
  const reason = reasonOf(options.reason);
  const answer = await askGate(
    {
      ...{ flagFile: file, to, by, reason, forced: options.force },
      ...(samplePercent !== undefined && { samplePercent }),
    },
    options,
    settings,
    session,
  );
  const { gate, evidence } = answer;
  const request: MoveRequest = {
    ...{ file, to, by, reason, evidence, now },
    expected: opened.hash,
    forced: options.force && gate.checks.some(({ ok }) => !ok),
    ...(samplePercent !== undefined && { samplePercent }),
  };
  const plan = { before: state, to, samplePercent: samplePercent ?? state.samplePercent, gate, file };
  if (!gate.open) {
    if (options.dryRun && !globals.json) await terminal.out(planText(plan, terminal));
    return refuse(request, answer, options, opened, session);
  }
  requireConsent('A flip', options, session);
  if (options.dryRun) {
    const { after } = planMove(request);
    if (globals.json)
      await terminal.json(moveDocument({ changed: false, dryRun: true, before: state, to, after, gate }));
    else await terminal.out(`${planText(plan, terminal)}\n\nDry run: nothing was changed.`);
    return EXIT.done;
  }
  terminal.note(planText(plan, { style: terminal.errorStyle }));
  if (!options.yes) {
    // Enter goes back, never forward.
    if (!(await confirm(terminal, questionText(state, to), step.direction === 'backward', signal))) {
      terminal.note('Nothing was changed.');
      return EXIT.interrupted;
    }
  }
  const { before, after } = await moveFlag(request);
  if (globals.json)
    await terminal.json(
      moveDocument({ changed: true, dryRun: false, before, to, after, gate, forced: request.forced }),
    );
  else await terminal.out(movedText(before, after));
  return EXIT.done;
}

/** The gate is closed: says why and, where only a second person is missing, notes that the first one wants it. */
async function refuse(
  request: MoveRequest,
  { gate }: GateAnswer,
  options: MoveOptions,
  { state }: OpenedFlag,
  session: Session,
): Promise<ExitCode> {
  const { terminal, globals } = session;
  const proposed = lacksOnlySecondPerson(gate) && !options.dryRun;
  if (proposed) requireConsent('A flip', options, session);
  if (proposed) recordProposal(request);
  if (globals.json) {
    await terminal.json(
      moveDocument({ changed: false, dryRun: options.dryRun, before: state, to: request.to, gate, proposed }),
    );
  }
  terminal.err(
    `${terminal.errorStyle.red('error:')} ${refusalText(gate, proposed ? request.by : undefined)}`,
  );
  return EXIT.difference;
}

/** The share that `rampdown` begins with is the config's, unless it is said; elsewhere it stays as it is: undefined. */
export function sampleOf(
  to: Pick<Position, 'stage'>,
  { sample }: Pick<MoveOptions, 'sample'>,
  { state, settings }: Pick<OpenedFlag, 'state' | 'settings'>,
): number | undefined {
  if (sample !== undefined) return sample;
  const begins = to.stage === 'rampdown' && rankOf(state.stage) < rankOf('rampdown');
  return begins ? settings.flag.samplePercent : undefined;
}

/** Throws `usage` where nobody can be asked and nobody has said yes. */
export function requireConsent(
  what: 'A flip' | 'A rollout',
  { dryRun, yes }: Pick<MoveOptions, 'dryRun' | 'yes'>,
  { terminal }: Session,
): void {
  if (dryRun || yes || terminal.interactive) return;
  throw new EventsError(
    'usage',
    `${what} changes what services do: where nobody can be asked it needs --yes`,
    {
      hint: 'See first what it would change: --dry-run.',
    },
  );
}
