/** Composition root for the terminal: streams, environment and signals in, exit code out. */
import type { Deps } from './commands/deps.js';
import { EventsError } from './core/errors.js';
import { version } from './project/version.js';
import { EXIT, type ExitCode } from './terminal/exit-codes.js';
import type { Streams } from './terminal/io.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs one command line. Never rejects. */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  // Nothing but the version is loaded for this: it is the cheapest question a script asks.
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
    process.stdout.write(`${version()}\n`);
    return EXIT.done;
  }
  const { streams, pipeClosed } = processStreams();
  const interruption = catchSignals();
  try {
    const { runProgram } = await import('./program.js');
    const exitCode = await runProgram(argv, depsOf(streams, interruption.signal), version());
    return pipeClosed() ? EXIT.done : exitCode;
  } finally {
    interruption.release();
  }
}

function depsOf(streams: Streams, signal: AbortSignal): Deps {
  return {
    streams,
    signal,
    now: Date.now,
    async createTransport(url, options) {
      return (await import('./transports/index.js')).createTransport(url, options);
    },
  };
}

/** A reader that closes the pipe (`| head`) ends the command quietly: its signal fires, the exit code is 0. */
let closePipe: () => void = () => {};

function processStreams(): { streams: Streams; pipeClosed: () => boolean } {
  let closed = false;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    closed = true;
    closePipe();
  });
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error; // nobody reads the notes: the work goes on
  });
  const { stdin, stdout, stderr, env } = process;
  return {
    streams: { stdin, stdout, stderr, environment: env, directory: process.cwd() },
    pipeClosed: () => closed,
  };
}

/** The first signal drains and sums up; the second ends the process at once. */
function catchSignals(): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  closePipe = () => controller.abort(new EventsError('interrupted', 'The reader of the output is gone'));
  const onSignal = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort(new EventsError('interrupted', `Interrupted by ${name}`));
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of SIGNALS) process.off(name, onSignal);
    },
  };
}
