/** What a run says of itself while it goes on: a line that is redrawn on a terminal, a line a minute elsewhere. */
import type { LiveRun, LiveStatus } from '../shadow/live-run.js';
import type { Terminal } from '../terminal/io.js';
import { lineForPeople } from '../terminal/safe-text.js';

export interface RunStatus {
  follow(run: Pick<LiveRun, 'status'>): void;
  /** Writes something else, which must not end up behind the status line. */
  around(write: () => void): void;
  /** Idempotent. */
  stop(): void;
}

const REDRAW_MS = 1_000;
const REPEAT_MS = 60_000;

export function startRunStatus(
  terminal: Terminal,
  { quiet }: { readonly quiet: boolean },
  now: () => number,
): RunStatus {
  const { stderr, environment } = terminal.streams;
  const redrawn = stderr.isTTY === true && environment.TERM !== 'dumb';
  let timer: NodeJS.Timeout | undefined;
  let drawn = false;
  let told = '';

  // Past the terminal's gate, which would show the carriage return.
  const clear = () => {
    if (drawn) stderr.write('\r\x1b[K');
    drawn = false;
  };
  const draw = (status: LiveStatus) => {
    const text = lineForPeople(statusText(status));
    if (redrawn) {
      const width = Math.max((terminal.streams.stdout.columns || 80) - 1, 20);
      stderr.write(`\r\x1b[K${text.slice(0, width)}`);
      drawn = true;
    } else if (text !== told) {
      terminal.note(`${new Date(now()).toISOString().slice(0, 19)}Z ${text}`);
      told = text;
    }
  };
  return {
    follow(run) {
      if (quiet) return;
      timer = setInterval(() => draw(run.status()), redrawn ? REDRAW_MS : REPEAT_MS);
    },
    around(write) {
      clear();
      write();
    },
    stop() {
      clearInterval(timer);
      clear();
    },
  };
}

export function statusText({ callbacks, tapping, recording, summary }: LiveStatus): string {
  const troubles = [
    ...(recording ? [] : ['NOT RECORDING']),
    ...(tapping ? [] : ['NO EVENTS: broker not there']),
  ];
  const lost = callbacks.lost === 0 ? '' : `, ${callbacks.lost} not recorded`;
  const { match = 0, pending = 0, extra = 0, ...rest } = summary?.counts.totals ?? {};
  const others = Object.entries({ ...rest, extra })
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name}`);
  return [
    `${callbacks.callbacks} callbacks${lost}`,
    [`${match} match`, ...others, `${pending} pending`].join(', '),
    ...troubles,
  ].join(' | ');
}
