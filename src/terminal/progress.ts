import type { Terminal } from './io.js';

export interface Progress {
  update(done: number, failed: number): void;
  /** Clears the line. */
  stop(): void;
}

const REDRAW_MS = 200;

/** A line on stderr with count and rate, redrawn at most five times a second; nothing where there is no terminal, or with `quiet`. */
export function startProgress(
  terminal: Terminal,
  what: string,
  quiet: boolean,
  now = () => performance.now(),
): Progress {
  const { stderr, environment } = terminal.streams;
  if (!stderr.isTTY || environment.TERM === 'dumb' || quiet) return { update() {}, stop() {} };
  const startedAt = now();
  let drawnAt = startedAt;
  let drawn = false;
  return {
    update(done, failed) {
      const at = now();
      if (at - drawnAt < REDRAW_MS) return;
      drawnAt = at;
      drawn = true;
      const rate = Math.round((done * 1000) / (at - startedAt));
      stderr.write(`\r\x1b[K${what}: ${done} confirmed${failed ? `, ${failed} failed` : ''}, ${rate}/s`);
    },
    stop() {
      if (drawn) stderr.write('\r\x1b[K');
    },
  };
}
