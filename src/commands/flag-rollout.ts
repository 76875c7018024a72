import { setTimeout as pause } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { EventsError } from '../core/errors.js';
import { STAGES, type Stage } from '../core/migration/stage.js';
import { recordProposal } from '../migration/audit.js';
import { positionOf } from '../migration/flag-state.js';
import { lacksOnlySecondPerson } from '../migration/gate.js';
import { positionText } from '../migration/position-text.js';
import { runRollout } from '../migration/rollout.js';
import { DEFAULT_LIMITS } from '../migration/rollout-decision.js';
import { rolloutDeps } from '../migration/rollout-deps.js';
import {
  type RolloutEvent,
  type RolloutOutcome,
  type RolloutPlan,
  rolloutName,
  stepsBeyond,
} from '../migration/rollout-plan.js';
import { parseDuration } from '../project/duration.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { argument, wholeNumber } from '../terminal/options.js';
import { confirm } from '../terminal/prompt.js';
import { startTimer } from '../terminal/timer.js';
import type { CommandDeps, Session } from './deps.js';
import { authorOf, currentLogin, reasonOf } from './flag-author.js';
import { type EvidenceOptions, gateInput } from './flag-gate.js';
import { openFlag, requireConsent, sampleOf } from './flag-move.js';
import { withEvidenceOptions } from './flag-move-options.js';
import { refusalText } from './flag-move-text.js';
import { createRolloutTelling, planDocument, planText, type RolloutWork } from './flag-rollout-text.js';

export interface RolloutOptions extends EvidenceOptions {
  readonly to: Stage;
  readonly steps?: readonly number[];
  readonly every?: number;
  readonly reason?: string;
  readonly maxLag: number;
  readonly maxDlqGrowth: number;
  readonly maxErrorRate?: number;
  readonly maxPause?: number;
  readonly file?: string;
  readonly by?: string;
  readonly dryRun: boolean;
  readonly yes: boolean;
}

/** Milliseconds between two looks; less where the steps are short. */
const MOST_BETWEEN_LOOKS_MS = 5_000;
const LEAST_BETWEEN_LOOKS_MS = 50;
const LOOKS_PER_STEP = 4;

/** `flag rollout`: a stage in growing percentages, watched between them. */
export function flagRolloutCommand(deps: CommandDeps): Command {
  const command = new Command('rollout')
    .description(
      'Move to a stage in growing percentages of the jobs, and watch: pause when in doubt, go back when it goes wrong.',
    )
    .addOption(new Option('--to <stage>', 'the stage').choices(STAGES.slice(1)).makeOptionMandatory())
    .option('--steps <percents>', 'percentages in growing order (default 1,5,25,50,100)', argument(stepsIn))
    .option(
      '--every <duration>',
      'how long each step must be well before the next (default 30m)',
      argument(parseDuration),
    )
    .option('--reason <text>', 'why, for the audit trail; needed')
    .option(
      '--max-lag <n>',
      'pause while more messages wait in one queue',
      wholeNumber(0),
      DEFAULT_LIMITS.lag,
    )
    .option(
      '--max-dlq-growth <n>',
      'go back when more dead letters come',
      wholeNumber(0),
      DEFAULT_LIMITS.deadLetterGrowth,
    )
    .option(
      '--max-error-rate <percent>',
      'go back when more of the legs of a step are bad (default 1)',
      argument(rateIn),
    )
    .option(
      '--max-pause <duration>',
      'end, exit 6, when a pause lasts longer (default: wait)',
      argument(parseDuration),
    );
  return withEvidenceOptions(command)
    .option('--dry-run', 'ask the gate and show the steps, change nothing', false)
    .option('-y, --yes', 'do not ask; needed where there is no terminal', false)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events flag rollout --to live --steps 1,5,25,50,100 --every 30m --reason "a month SAFE" --dry-run
  $ atma-events flag rollout --to live --steps 1,5,25,50,100 --every 30m --reason "a month SAFE"

Needs a shadow run that goes on (atma-events shadow run). Before each step the whole gate; between them, every few seconds:
verdict, dead letters, waiting messages, bad legs. UNSAFE, too many dead letters or bad legs: back at once to where the rollout
began. INCONCLUSIVE, too many waiting, or nobody can tell: it pauses, and goes on after a whole --every that was well.
Ctrl-C, or a kill, leaves the flag where it is; started again it goes on from there.

JSON, a line per event: {"at","event","stage","percent","nextAt"?,"reasons"?}; event: moved, paused, resumed, back, trouble; the
last is ended, with "outcome": done, refused, back, moved-away, interrupted or gave-up. With --dry-run one document: {"dryRun","from","steps",
"everyMs","limits","gate"}.
Exit codes: 0 done, 2 wrong usage, 4 the gate refused the first step, it went back, or somebody else moved the flag,
6 ended by --max-pause, 130 interrupted.`,
    )
    .action((options: RolloutOptions, each: Command) =>
      deps.run(each, (session) => runRolloutCommand(options, session), { streaming: !options.dryRun }),
    );
}

async function runRolloutCommand(options: RolloutOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals, signal } = session;
  const plan: RolloutPlan = {
    to: options.to,
    steps: options.steps ?? [1, 5, 25, 50, 100],
    everyMs: options.every ?? 1_800_000,
    limits: {
      deadLetterGrowth: options.maxDlqGrowth,
      lag: options.maxLag,
      errorRate: options.maxErrorRate ?? DEFAULT_LIMITS.errorRate,
    },
  };
  const opened = await openFlag(options, session);
  const { file: flagFile, settings, hash } = opened;
  const by = authorOf(options.by, terminal.streams.environment, currentLogin());
  const samplePercent = sampleOf({ stage: plan.to }, {}, opened);
  const deps = await rolloutDeps(plan, {
    ...gateInput(options, settings, session),
    ...{ flagFile, by, reason: reasonOf(options.reason) },
    ...(samplePercent !== undefined && { samplePercent }),
  });
  signal.throwIfAborted();
  const from = positionOf(opened.state);
  const work: RolloutWork = { from, origin: deps.origin, stepsLeft: stepsBeyond(plan, from) };
  const [first] = work.stepsLeft;
  const gate = first === undefined ? null : (await deps.judge(first)).gate;
  signal.throwIfAborted();
  if (options.dryRun && globals.json) await terminal.json(planDocument(plan, work, gate));
  else if (options.dryRun)
    await terminal.out(`${planText(plan, work, gate, terminal)}\n\nDry run: nothing was changed.`);
  else terminal.note(planText(plan, work, gate, { style: terminal.errorStyle }));
  // Once the stage has begun, a closed gate is a pause.
  const refused = gate?.open === false && opened.state.stage !== plan.to;
  if (!refused || (gate !== null && lacksOnlySecondPerson(gate)))
    requireConsent('A rollout', options, session);
  if (options.dryRun) return refused ? EXIT.difference : EXIT.done;
  if (!refused && !options.yes && !(await confirm(terminal, questionOf(work), false, signal))) {
    terminal.note('Nothing was changed.');
    return EXIT.interrupted;
  }
  const telling = createRolloutTelling(session);
  const pauses = limitPauses(options.maxPause, signal);
  session.defer(pauses.release);
  const outcome = await runRollout(plan, {
    ...deps,
    wait: (ms, over) => pause(ms, undefined, { signal: over }).catch(() => {}), // at once when it is over
    lookMs: Math.max(LEAST_BETWEEN_LOOKS_MS, Math.min(MOST_BETWEEN_LOOKS_MS, plan.everyMs / LOOKS_PER_STEP)),
    signal: pauses.signal,
    tell(event) {
      pauses.heard(event);
      telling.event(event);
    },
  });
  const gaveUp = outcome.kind === 'interrupted' && !signal.aborted;
  telling.end(outcome, gaveUp);
  if (outcome.kind === 'refused') {
    const proposed = lacksOnlySecondPerson(outcome.gate);
    if (proposed) {
      const { to } = outcome.gate;
      recordProposal({
        file: flagFile,
        to,
        expected: hash,
        by,
        reason: reasonOf(options.reason),
        rollout: rolloutName(plan),
        now: session.now,
      });
    }
    terminal.err(
      `${terminal.errorStyle.red('error:')} ${refusalText(outcome.gate, proposed ? by : undefined)}`,
    );
  }
  return gaveUp ? EXIT.inconclusive : exitCodeOfRollout(outcome);
}

function questionOf({ from, stepsLeft: [first] }: RolloutWork): string {
  return first === undefined
    ? `Watch ${positionText(from)}?`
    : `Begin at ${positionText(from)}, with ${positionText(first)} next?`;
}

/** Done: 0. Gone back, refused, or moved by somebody else: 4. Interrupted: 130. */
export function exitCodeOfRollout({ kind }: Pick<RolloutOutcome, 'kind'>): ExitCode {
  if (kind === 'done') return EXIT.done;
  return kind === 'interrupted' ? EXIT.interrupted : EXIT.difference;
}

/** A signal that also fires when a pause lasts too long. */
function limitPauses(limitMs: number | undefined, signal: AbortSignal) {
  const late = new AbortController();
  let callOff: (() => void) | undefined;
  const release = () => {
    callOff?.();
    callOff = undefined;
  };
  return {
    signal: AbortSignal.any([signal, late.signal]),
    release,
    heard({ kind }: RolloutEvent) {
      if (kind !== 'paused') release();
      else if (limitMs !== undefined) callOff ??= startTimer(limitMs, () => late.abort());
    },
  };
}

/** `1,5,25,50,100`: whole, from 1 to 100, growing. */
export function stepsIn(text: string): readonly number[] {
  const steps = text.split(',').map((each) => (/^\s*\d+\s*$/.test(each) ? Number(each) : Number.NaN));
  const wrong = steps.some((step, at) => !(step >= 1 && step <= 100 && step > (steps[at - 1] ?? 0)));
  if (wrong) throw new EventsError('usage', `"${text}" is not a list of growing percentages from 1 to 100`);
  return steps;
}

/** `1` or `0.5%`: percent, as a share. */
export function rateIn(text: string): number {
  const percent = Number(text.replace(/%$/, ''));
  if (!/^\d/.test(text) || !(percent <= 100)) throw new EventsError('usage', `"${text}" is not a percentage`);
  return percent / 100;
}
