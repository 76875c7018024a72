import type { Terminal } from './io.js';
import { lineForPeople } from './safe-text.js';

export interface Progress {
  /** `reach`, where the end is known, adds how far it is and the time left. */
  update(done: number, failed: number, reach?: Reach): void;
  /** Clears the line. */
  stop(): void;
}

/** How much of the whole has been seen, whatever came of it. */
export interface Reach {
  readonly seen: number;
  readonly total: number;
  /** After the total: ` MB`. */
  readonly unit?: string;
}

/** What the two numbers are called. */
export interface ProgressWords {
  readonly done: string;
  readonly failed: string;
}

const REDRAW_MS = 200;

/** A line on stderr with count and rate, redrawn at most five times a second; nothing where there is no terminal, or with `quiet`. */
export function startProgress(
  terminal: Terminal,
  what: string,
  quiet: boolean,
  now = () => performance.now(),
  words: ProgressWords = { done: 'confirmed', failed: 'failed' },
): Progress {
  const { stderr, environment } = terminal.streams;
  if (!stderr.isTTY || environment.TERM === 'dumb' || quiet) return { update() {}, stop() {} };
  // Written past the terminal's gate, which would show the carriage return.
  const label = lineForPeople(what);
  const startedAt = now();
  let drawnAt = startedAt;
  let drawn = false;
  return {
    update(done, failed, reach) {
      const at = now();
      if (at - drawnAt < REDRAW_MS) return;
      drawnAt = at;
      drawn = true;
      const elapsedMs = at - startedAt;
      const rate = Math.round((done * 1000) / elapsedMs);
      const failures = failed ? `, ${failed} ${words.failed}` : '';
      const rest = reach === undefined ? '' : reachText(reach, elapsedMs);
      stderr.write(`\r\x1b[K${label}: ${done} ${words.done}${failures}, ${rate}/s${rest}`);
    },
    stop() {
      if (drawn) stderr.write('\r\x1b[K');
    },
  };
}

function reachText({ seen, total, unit = '' }: Reach, elapsedMs: number): string {
  const left = Math.max(total - seen, 0);
  const time = seen === 0 || left === 0 ? '' : `, ${timeText((elapsedMs * left) / seen)} left`;
  return `, ${seen} of ${total}${unit}${time}`;
}

/** `45 s`, `3 min`, `2 h 5 min`: the largest units that matter. */
function timeText(ms: number): string {
  const seconds = Math.max(Math.round(ms / 1000), 1);
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
