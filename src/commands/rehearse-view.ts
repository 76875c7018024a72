/** What is seen while a rehearsal goes on: a block that is redrawn on a terminal, a line for each happening elsewhere. */
import type { RehearsalLive } from '../rehearsal/live.js';
import type { Happening } from '../rehearsal/scene.js';
import { plural, thousands } from '../shadow/quantities.js';
import type { Terminal } from '../terminal/io.js';
import { lineForPeople } from '../terminal/safe-text.js';
import { legName } from './rehearse-text.js';

export interface RehearsalView {
  tell(happening: Happening): void;
  follow(live: RehearsalLive): void;
  /** Clears what is redrawn. Idempotent. */
  stop(): void;
}

const REDRAW_MS = 250;
/** Rates are those of this stretch. */
const RATE_MS = 2_000;

export function startRehearsalView(
  terminal: Terminal,
  { quiet }: { readonly quiet: boolean },
  now: () => number,
): RehearsalView {
  const { stderr, stdout, environment } = terminal.streams;
  const redrawn = stderr.isTTY === true && environment.TERM !== 'dumb' && !quiet;
  const startedAt = now();
  const samples: { readonly at: number; readonly jobs: number; readonly effects: number }[] = [];
  let live: RehearsalLive | undefined;
  let timer: NodeJS.Timeout | undefined;
  let drawn = 0;

  // Past the terminal's gate, which would show what moves the cursor.
  const clear = () => {
    if (drawn > 0) stderr.write(`\x1b[${drawn}A\r\x1b[J`);
    drawn = 0;
  };
  const draw = () => {
    if (live === undefined) return;
    const at = now();
    samples.push({ at, jobs: live.jobs, effects: live.effects });
    while (samples.length > 2 && at - (samples[0]?.at ?? at) > RATE_MS) samples.shift();
    const width = Math.max((stdout.columns || 80) - 1, 20);
    const lines = liveLines(live, ratesOf(samples), at - startedAt);
    clear();
    for (const line of lines) stderr.write(`${lineForPeople(line).slice(0, width)}\n`);
    drawn = lines.length;
  };
  return {
    tell(happening) {
      if (quiet && happening.kind !== 'problem') return;
      clear();
      const text = `${clock(now() - startedAt)}  ${KINDS[happening.kind]}  ${happening.text}`;
      if (happening.kind === 'problem') terminal.err(terminal.errorStyle.red(text));
      else terminal.note(text);
      if (redrawn) draw();
    },
    follow(next) {
      live = next;
      if (redrawn) timer ??= setInterval(draw, REDRAW_MS);
    },
    stop() {
      clearInterval(timer);
      clear();
      live = undefined;
    },
  };
}

const KINDS: { readonly [K in Happening['kind']]: string } = {
  step: 'step   ',
  move: 'moved  ',
  fault: 'fault  ',
  verdict: 'verdict',
  problem: 'PROBLEM',
};

interface Rates {
  readonly jobs: number;
  readonly effects: number;
}

/** Pure. */
export function liveLines(live: RehearsalLive, rates: Rates, elapsedMs: number): string[] {
  const { leg, verdict, jobs, effects, open, latest, unwell } = live;
  const last =
    latest === undefined
      ? 'none yet'
      : `${latest.service} ${latest.effect} of ${latest.fact}, by ${latest.path}`;
  return [
    '',
    `${clock(elapsedMs)}  stage ${legName(leg)}   verdict ${verdict ?? 'none yet'}   lag ${plural(open, 'fact')}`,
    `      jobs ${thousands(jobs)} (${thousands(rates.jobs)}/s)   effects ${thousands(effects)} (${thousands(rates.effects)}/s)`,
    `      latest ${last}`,
    `      ${unwell.length === 0 ? 'all services are well' : `not well: ${unwell.join('; ')}`}`,
  ];
}

function ratesOf(
  samples: readonly { readonly at: number; readonly jobs: number; readonly effects: number }[],
): Rates {
  const [first] = samples;
  const last = samples.at(-1);
  if (first === undefined || last === undefined || last.at <= first.at) return { jobs: 0, effects: 0 };
  const perSecond = (count: number) => Math.round((count * 1_000) / (last.at - first.at));
  return { jobs: perSecond(last.jobs - first.jobs), effects: perSecond(last.effects - first.effects) };
}

/** `0:07`, `12:30`. */
function clock(ms: number): string {
  const total = Math.floor(ms / 1_000);
  return `${Math.floor(total / 60)}:${String(total % 60).padStart(2, '0')}`;
}
