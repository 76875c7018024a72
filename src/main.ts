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
  const { streams, pipeClosed, outputFailed } = processStreams();
  const interruption = catchSignals();
  try {
    const { runProgram } = await import('./program.js');
    const exitCode = await runProgram(argv, depsOf(streams, interruption.signal), version());
    if (outputFailed()) return EXIT.failed;
    // `tail | head` is how one stops a tail; any other outcome is what it is, read or not.
    return pipeClosed() && exitCode === EXIT.interrupted ? EXIT.done : exitCode;
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

/** Set while a command runs: makes its signal fire because its output has nowhere to go. */
let endOutput: (reason: EventsError) => void = () => {};

function processStreams(): { streams: Streams; pipeClosed: () => boolean; outputFailed: () => boolean } {
  let closed = false;
  let failed = false;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') {
      closed = true;
      endOutput(new EventsError('interrupted', 'The reader of the output is gone'));
      return;
    }
    if (!failed) process.stderr.write(`error: Cannot write the output: ${error.message}\n`);
    failed = true;
    process.exitCode = EXIT.failed; // it may come after the command has returned
    endOutput(new EventsError('interrupted', 'The output cannot be written'));
  });
  // Nobody can be told that the notes cannot be written; the work goes on and the exit code speaks.
  process.stderr.on('error', () => {});
  const { stdin, stdout, stderr, env } = process;
  return {
    streams: { stdin, stdout, stderr, environment: env, directory: process.cwd() },
    pipeClosed: () => closed,
    outputFailed: () => failed,
  };
}

/** The first signal drains and sums up; the second ends the process at once. */
function catchSignals(): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  endOutput = (reason) => controller.abort(reason);
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
