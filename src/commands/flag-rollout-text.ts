/** What a rollout says: its plan, each event as it happens, and how it ended. */
import type { Position } from '../core/migration/stage.js';
import type { GateResult } from '../migration/gate.js';
import { positionText } from '../migration/position-text.js';
import type { RolloutEvent, RolloutOutcome, RolloutPlan } from '../migration/rollout-plan.js';
import { age } from '../terminal/age.js';
import type { Terminal } from '../terminal/io.js';
import { lineForPeople } from '../terminal/safe-text.js';
import type { Session } from './deps.js';
import { checksText, gateDocument } from './flag-text.js';

/** What a rollout has before it. */
export interface RolloutWork {
  readonly from: Position;
  /** Where it goes back to: where it began, perhaps in a process before this one. */
  readonly origin: Position;
  readonly stepsLeft: readonly Position[];
}

export function planText(
  { everyMs, limits }: RolloutPlan,
  { from, origin, stepsLeft }: RolloutWork,
  gate: GateResult | null,
  terminal: Pick<Terminal, 'style'>,
): string {
  const steps = stepsLeft.map(({ percent }) => `${percent} %`).join(', ');
  const [first] = stepsLeft;
  const percent = Number((limits.errorRate * 100).toPrecision(3));
  return [
    first === undefined
      ? `The flag stands at ${positionText(from)}: no step is left; it is watched for ${age(everyMs)}.`
      : `From ${positionText(from)} to ${first.stage} for ${steps} of the jobs, each well for ${age(everyMs)} before the next.`,
    `Back to ${positionText(origin)}: when the verdict is UNSAFE, more than ${limits.deadLetterGrowth} dead letters come, or more than ${percent} % of a step's legs are bad.`,
    `Pause: when the verdict is INCONCLUSIVE, more than ${limits.lag} messages wait in one queue, or nobody can tell.`,
    ...(gate === null
      ? []
      : [
          '',
          `The gate to ${positionText(gate.to)} is ${gate.open ? 'open' : 'closed'}:`,
          checksText(gate, terminal),
        ]),
  ].join('\n');
}

/** Field names are a public contract. */
export function planDocument(
  { everyMs, limits }: RolloutPlan,
  { from, stepsLeft }: RolloutWork,
  gate: GateResult | null,
): object {
  return {
    dryRun: true,
    from,
    steps: stepsLeft,
    everyMs,
    limits: { lag: limits.lag, dlqGrowth: limits.deadLetterGrowth, errorRate: limits.errorRate },
    gate: gate === null ? null : gateDocument(gate),
  };
}

export interface RolloutTelling {
  event(event: RolloutEvent): void;
  end(outcome: RolloutOutcome, gaveUp: boolean): void;
}

/** Progress is for people on stderr, the end is the result; with `--json` each is a line on stdout. */
export function createRolloutTelling({ terminal, globals, now }: Session): RolloutTelling {
  const isoIn = (ms: number) => new Date(now() + ms).toISOString();
  // A line now and then: nothing that a full stream could hold back.
  const json = (document: object) => void terminal.json({ at: isoIn(0), ...document });
  return {
    event(event) {
      if (globals.json) json(eventDocument(event, isoIn));
      else terminal.err(lineForPeople(`${isoIn(0).slice(0, 19)}Z ${eventText(event)}`));
    },
    end(outcome, gaveUp) {
      if (globals.json) json(endDocument(outcome, gaveUp));
      else if (outcome.kind !== 'refused') void terminal.out(lineForPeople(endText(outcome, gaveUp)));
    },
  };
}

function eventText(event: RolloutEvent): string {
  switch (event.kind) {
    case 'moved':
      return `moved to ${positionText(event.to)}; watched for ${age(event.nextInMs)}`;
    case 'paused':
      return `paused at ${positionText(event.at)}: ${event.reasons.join('; ')}`;
    case 'resumed':
      return `well again at ${positionText(event.at)}; watched for ${age(event.nextInMs)}`;
    case 'back':
      return `went back to ${positionText(event.to)}: ${event.reasons.join('; ')}`;
    case 'trouble':
      return event.text;
  }
}

function eventDocument(event: RolloutEvent, isoIn: (ms: number) => string): object {
  if (event.kind === 'trouble') return { event: 'trouble', reasons: [lineForPeople(event.text)] };
  const { stage, percent } = 'to' in event ? event.to : event.at;
  return {
    ...{ event: event.kind, stage, percent },
    ...('nextInMs' in event && { nextAt: isoIn(event.nextInMs) }),
    ...('reasons' in event && { reasons: event.reasons.map(lineForPeople) }),
  };
}

function endText(outcome: RolloutOutcome, gaveUp: boolean): string {
  const at = positionText(outcome.at);
  switch (outcome.kind) {
    case 'done':
      return `Done: the flag stands at ${at}.`;
    case 'refused':
      return `Refused: the flag stays at ${at}.`;
    case 'back':
      return `Went back: the flag stands at ${at}. Why: ${outcome.reasons.join('; ')}.`;
    case 'moved':
      return `Ended: ${outcome.by ?? 'somebody'} moved the flag to ${at} meanwhile, and it stays there.`;
    case 'interrupted': {
      const state = outcome.paused ? 'paused' : 'on its way';
      return `${gaveUp ? 'Given up' : 'Interrupted'} while ${state}: the flag stays at ${at}. The same command goes on from there; atma-events flag off goes back.`;
    }
  }
}

function endDocument(outcome: RolloutOutcome, gaveUp: boolean): object {
  const { stage, percent } = outcome.at;
  const names = {
    done: 'done',
    refused: 'refused',
    back: 'back',
    moved: 'moved-away',
    interrupted: gaveUp ? 'gave-up' : 'interrupted',
  };
  return {
    ...{ event: 'ended', outcome: names[outcome.kind], stage, percent },
    ...(outcome.kind === 'back' && { reasons: outcome.reasons.map(lineForPeople) }),
    ...(outcome.kind === 'moved' && { by: outcome.by === null ? null : lineForPeople(outcome.by) }),
    ...(outcome.kind === 'interrupted' && { paused: outcome.paused }),
    ...(outcome.kind === 'refused' && { gate: gateDocument(outcome.gate) }),
  };
}
