/** What commands get from outside, and the session in which one of them runs. */
import type { Command } from 'commander';
import { isEventsError, messageOf } from '../core/errors.js';
import type { Transport, TransportOptions } from '../core/transport.js';
import { describeNotice } from '../core/transport-notice.js';
import type { Settings } from '../project/settings.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { createTerminal, type Streams, type Terminal } from '../terminal/io.js';
import { type GlobalOptions, globalsOf } from '../terminal/options.js';
import { reportError } from '../terminal/report-error.js';
import { hideEmails, hidePasswords } from '../terminal/safe-text.js';

/** Concrete transports, streams, time and signals come from the composition root. */
export interface Deps {
  readonly streams: Streams;
  /** Fires on the first Ctrl-C, SIGTERM, SIGHUP, or when the reader of stdout is gone. */
  readonly signal: AbortSignal;
  readonly now: () => number;
  createTransport(
    url: string,
    options: TransportOptions & { readonly managementUrl?: string },
  ): Promise<Transport>;
}

/** One run of one command. */
export interface Session {
  readonly terminal: Terminal;
  readonly globals: GlobalOptions;
  readonly signal: AbortSignal;
  readonly now: () => number;
  /** Runs when the command is over: once, last in first out, whatever happened. */
  defer(release: () => Promise<void> | void): void;
  settings(): Promise<Settings>;
  /** A transport that has reached its broker; closed when the command is over. */
  open(settings: Settings): Promise<Transport>;
  /** The same, but it reaches (and on a fresh embedded broker: creates) nothing before it is used. */
  openLazily(settings: Settings): Promise<Transport>;
  /** A transport for another URL, under the same rules. */
  openUrl(url: string, settings: Pick<Settings, 'timeoutMs' | 'managementUrl'>): Promise<Transport>;
}

/** What a command file declares with: it hands in its work and the exit code is taken care of. */
export interface CommandDeps {
  /**
   * With `--json` a failure prints `{"error":{"code","message","hint"?}}`; not where the output is a stream of
   * lines that all mean an event.
   */
  run(
    command: Command,
    work: (session: Session) => Promise<ExitCode>,
    output?: { readonly streaming: boolean },
  ): Promise<void>;
}

/** Runs a command's work: terminal, releases, errors to exit code. */
export async function runCommand(
  deps: Deps,
  command: Command,
  work: (session: Session) => Promise<ExitCode>,
  streaming = false,
): Promise<ExitCode> {
  const globals = globalsOf(command);
  const terminal = createTerminal(deps.streams, {
    colour: globals.color,
    input: globals.input && !globals.json,
    quiet: globals.quiet,
    debug: globals.debug,
  });
  const releases: (() => Promise<void> | void)[] = [];
  const session = createSession(deps, globals, terminal, (release) => releases.push(release));
  let exitCode: ExitCode;
  try {
    exitCode = await work(session);
  } catch (error) {
    exitCode = report(error);
  }
  for (const release of releases.reverse()) {
    try {
      await release();
    } catch (error) {
      // The command has had its say on stdout; this is for stderr only.
      const failed = reportError(error, terminal, globals.debug);
      if (exitCode === EXIT.done) exitCode = failed;
    }
  }
  return exitCode;

  function report(error: unknown): ExitCode {
    if (isEventsError(error, 'interrupted')) {
      // With its reader gone a command ends without a word, as `head` expects.
      if (!deps.streams.stdout.destroyed) terminal.note(error.message);
      return EXIT.interrupted;
    }
    if (globals.json && !streaming) void terminal.json({ error: errorDocument(error) });
    return reportError(error, terminal, globals.debug);
  }
}

function createSession(
  deps: Deps,
  globals: GlobalOptions,
  terminal: Terminal,
  defer: Session['defer'],
): Session {
  const { streams, signal, now } = deps;
  const create = async (url: string, settings: Pick<Settings, 'timeoutMs' | 'managementUrl'>) => {
    const transport = await deps.createTransport(url, {
      startTimeoutMs: settings.timeoutMs,
      reconnectTimeoutMs: settings.timeoutMs,
      onNotice: (notice) => terminal.warn(describeNotice(notice)),
      now,
      ...(settings.managementUrl !== undefined && { managementUrl: settings.managementUrl }),
    });
    defer(() => transport.close());
    terminal.debug(`using ${transport.address}`);
    return transport;
  };
  const openUrl: Session['openUrl'] = async (url, settings) => {
    const transport = await create(url, settings);
    await untilAborted(transport.open(), signal);
    return transport;
  };
  return {
    terminal,
    globals,
    signal,
    now,
    defer,
    openUrl,
    async settings() {
      // Brings the catalog and zod: not for a help text or a usage error.
      const { resolveSettings } = await import('../project/settings.js');
      return resolveSettings(
        { ...globals, timeoutMs: globals.timeout },
        streams.environment,
        streams.directory,
      );
    },
    open: (settings) => openUrl(settings.url, settings),
    openLazily: (settings) => create(settings.url, settings),
  };
}

/** An error in a JSON result. */
export function errorDocument(error: unknown): object {
  if (!isEventsError(error)) return { code: 'defect', message: messageOf(error) };
  const clean = (text: string) => hideEmails(hidePasswords(text));
  return {
    code: error.code,
    message: clean(error.message),
    ...(error.hint !== undefined && { hint: clean(error.hint) }),
  };
}

/** Ctrl-C while a broker is being waited for must not wait with it. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
