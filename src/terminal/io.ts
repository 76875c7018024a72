/** The terminal as commands see it: results on stdout, everything else on stderr. */
import type { Readable, Writable } from 'node:stream';
import { Chalk, type ChalkInstance } from 'chalk';
import { hidePasswords, safeJson, safeLine, safeOutput, safeText } from './safe-text.js';

/** What a process gives: its streams and environment. Tests pass their own. */
export interface Streams {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  readonly environment: { readonly [name: string]: string | undefined };
  readonly directory: string;
}

export interface TerminalOptions {
  readonly colour: boolean;
  readonly input: boolean;
  readonly quiet: boolean;
  readonly debug: boolean;
}

export interface Terminal {
  readonly streams: Streams;
  /** Styles for stdout and for stderr: each is plain where its stream is not a terminal. */
  readonly style: ChalkInstance;
  readonly errorStyle: ChalkInstance;
  /** Someone can be asked, on stderr: also where stdout goes into a pipe. */
  readonly interactive: boolean;
  /** Columns of stdout, or undefined when it is not a terminal. */
  readonly columns: number | undefined;
  /** A result, as text. Resolves when the stream can take more. */
  out(text: string): Promise<void>;
  /** A result, as one line of JSON. */
  json(value: unknown): Promise<void>;
  /** An error or what else must be said, on stderr. */
  err(text: string): void;
  /** What a person wants to know beside the result; silent with `--quiet`. */
  note(text: string): void;
  /** What must not be missed, even with `--quiet`. */
  warn(text: string): void;
  /** Only with `--debug`. */
  debug(text: string): void;
}

/** Colour only on a terminal, and never with NO_COLOR, TERM=dumb or `--no-color` (chalk ignores NO_COLOR). */
function styleOf(stream: { isTTY?: boolean }, streams: Streams, options: TerminalOptions): ChalkInstance {
  const { NO_COLOR, TERM } = streams.environment;
  const on = options.colour && stream.isTTY === true && !NO_COLOR && TERM !== 'dumb';
  return new Chalk({ level: on ? 1 : 0 });
}

/** The terminal of these streams. */
export function createTerminal(streams: Streams, options: TerminalOptions): Terminal {
  const style = styleOf(streams.stdout, streams, options);
  const errorStyle = styleOf(streams.stderr, streams, options);
  const err = (text: string) => {
    streams.stderr.write(`${hidePasswords(safeOutput(text, errorStyle.level > 0))}\n`);
  };
  return {
    streams,
    style,
    errorStyle,
    interactive: options.input && streams.stdin.isTTY === true && streams.stderr.isTTY === true,
    columns: streams.stdout.isTTY ? streams.stdout.columns : undefined,
    out: (text) => write(streams.stdout, `${safeOutput(text, style.level > 0)}\n`),
    json: (value) => write(streams.stdout, `${safeJson(JSON.stringify(value))}\n`),
    err,
    note(text) {
      if (!options.quiet) err(text);
    },
    warn: (text) => err(`${errorStyle.yellow('warning:')} ${safeText(text)}`),
    debug(text) {
      if (options.debug) err(errorStyle.dim(`debug: ${safeLine(text)}`));
    },
  };
}

/** Writes and waits for room, so that a slow reader holds the command back instead of filling memory. */
function write(stream: Writable, text: string): Promise<void> {
  if (stream.write(text) || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done);
      stream.off('close', done);
      stream.off('error', done);
      resolve();
    };
    stream.once('drain', done);
    stream.once('close', done);
    stream.once('error', done);
  });
}
