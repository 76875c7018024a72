/** The commands of this tool, run as anybody would: as processes, with `--json`. */
import { EventsError } from '../core/errors.js';
import { lineForPeople } from '../core/safe-text.js';
import type { Environment } from '../presets/preset.js';
import type { Child, Children, Exit } from './children.js';

export interface ToolResult {
  /** For people: `flag set live`. */
  readonly command: string;
  readonly exitCode: number;
  /** Of stdout; undefined where it is none. */
  readonly json: unknown;
  /** The end of stderr, in one line. */
  readonly said: string;
}

export interface RunningTool {
  readonly child: Child;
  readonly ended: Promise<ToolResult>;
}

export interface Tool {
  run(...args: readonly string[]): Promise<ToolResult>;
  /** For those that go on until they are interrupted. */
  start(args: readonly string[], onStderr: (line: string) => void): RunningTool;
}

export interface ToolDeps {
  readonly children: Children;
  /** bin/atma-events.js. */
  readonly bin: string;
  readonly directory: string;
  readonly environment: Environment;
  /** Both streams of all of them go there, too. */
  readonly log: string;
  /** When it fires, whatever runs is killed: a rehearsal that is over needs no answer. */
  readonly signal: AbortSignal;
}

/** Of stderr, kept for people. */
const KEPT_LINES = 6;

export function createTool({ children, bin, directory, environment, log, signal }: ToolDeps): Tool {
  const start: Tool['start'] = (args, onStderr) => {
    const options = args.findIndex((arg) => arg.startsWith('-'));
    const command = args.slice(0, options === -1 ? undefined : options).join(' ');
    let stdout = '';
    const said: string[] = [];
    const child = children.start({
      name: `atma-events ${command}`,
      args: [bin, ...args, '--json', '--no-input'],
      ...{ directory, environment, log },
      onStdout: (line) => {
        stdout += line;
      },
      onStderr: (line) => {
        said.push(line);
        if (said.length > KEPT_LINES) said.shift();
        onStderr(line);
      },
    });
    const onAbort = () => child.kill('SIGKILL');
    signal.addEventListener('abort', onAbort, { once: true });
    const over = child.exited.finally(() => signal.removeEventListener('abort', onAbort));
    const ended = over.then((exit) => ({
      ...{ command, exitCode: exitCodeOf(exit), json: jsonOf(stdout) },
      said: lineForPeople(said.join(' ')),
    }));
    return { child, ended };
  };
  return { start, run: (...args) => start(args, () => {}).ended };
}

/** What a command of ours should have done and did not. Throws `unreachable` where it could not reach the broker, else `closed`. */
export function expectExit(result: ToolResult, ...codes: readonly number[]): ToolResult {
  if (codes.includes(result.exitCode)) return result;
  throw new EventsError(
    result.exitCode === UNREACHABLE ? 'unreachable' : 'closed',
    `atma-events ${result.command} ended with ${result.exitCode}, not ${codes.join(' or ')}: ${result.said}`,
  );
}

/** docs/exit-codes.md */
const UNREACHABLE = 5;

/** As a shell tells it. */
function exitCodeOf({ code, signal }: Exit): number {
  if (code !== null) return code;
  return signal === 'SIGKILL' ? 137 : 143;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // it said nothing, or was cut off
  }
}
