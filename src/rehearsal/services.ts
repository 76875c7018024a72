/** The three services of examples/atma, each a process that can be killed, stopped and started again. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { EventsError } from '../core/errors.js';
import { lineForPeople } from '../core/safe-text.js';
import type { Environment } from '../presets/preset.js';
import type { Child, Children, Exit } from './children.js';

export const PROCESSES = ['analysis-worker', 'notification-service', 'assessment-service'] as const;
export type ProcessName = (typeof PROCESSES)[number];

export interface Service {
  readonly name: ProcessName;
  /** `http://127.0.0.1:PORT`: another one after each start. Undefined while it is away. */
  url(): string | undefined;
  /** Resolves when it is ready. Rejects with `closed` when it ends before, `timeout` when it takes too long. */
  start(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT: it is there, and does nothing. */
  pause(): void;
  goOn(): void;
  /** SIGTERM; how it ended, or undefined when it did not within `withinMs`. */
  end(withinMs: number): Promise<Exit | undefined>;
  /** It ended without having been asked to: how, and when it was last heard of. */
  readonly unasked: readonly string[];
}

export interface ServiceDeps {
  readonly children: Children;
  /** examples/atma. */
  readonly examples: string;
  /** Where each has its data and its log. */
  readonly folder: string;
  readonly environment: Environment;
}

const logLine = z.looseObject({ event: z.string(), message: z.string().optional() });

const readyLine = z.looseObject({ event: z.literal('ready'), port: z.int() });

/** For a machine that has other things to do. */
const START_LIMIT_MS = 30_000;

export function createService(name: ProcessName, deps: ServiceDeps): Service {
  const data = join(deps.folder, name);
  const unasked: string[] = [];
  let child: Child | undefined;
  let url: string | undefined;
  let asked = false;
  let last = '';

  async function start(): Promise<void> {
    asked = false;
    last = '';
    mkdirSync(data, { recursive: true });
    let tellReady: (port: number) => void = () => {};
    const ready = new Promise<number>((resolve) => {
      tellReady = resolve;
    });
    const started = deps.children.start({
      name,
      args: [join(deps.examples, name, 'main.mjs')],
      directory: data,
      environment: { ...deps.environment, PORT: '0', DATA_DIR: data },
      log: join(deps.folder, `${name}.log`),
      onStdout(line) {
        const json = jsonOf(line);
        const found = readyLine.safeParse(json);
        if (found.success) tellReady(found.data.port);
        const log = logLine.safeParse(json);
        if (log.success) last = log.data.message ?? log.data.event;
      },
      onStderr(line) {
        // What Node says of an error that nobody caught ends with its stack and its own version.
        if (!/^(\s|\}|Node\.js v|$)/.test(line)) last = line;
      },
    });
    child = started;
    void started.exited.then((exit) => {
      if (child !== started) return;
      url = undefined;
      if (!asked) unasked.push(`${name} ended by itself (${exitText(exit)}): ${lineForPeople(last)}`);
    });
    const port = await firstOf(ready, started, name, () => last);
    url = `http://127.0.0.1:${port}`;
  }

  return {
    name,
    url: () => url,
    start,
    unasked,
    async kill() {
      asked = true;
      url = undefined;
      child?.kill('SIGKILL');
      await child?.exited;
    },
    pause: () => child?.kill('SIGSTOP'),
    goOn: () => child?.kill('SIGCONT'),
    async end(withinMs) {
      if (child === undefined || child.hasExited()) return child?.exited;
      asked = true;
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      return withLimit(child.exited, withinMs);
    },
  };
}

export const exitText = ({ code, signal }: Exit): string => (signal === null ? `exit ${code}` : signal);

async function firstOf(
  ready: Promise<number>,
  { exited }: Child,
  name: string,
  said: () => string,
): Promise<number> {
  const ended = exited.then((exit): never => {
    throw new EventsError('closed', `${name} ended before it was ready (${exitText(exit)}): ${said()}`);
  });
  const port = await withLimit(Promise.race([ready, ended]), START_LIMIT_MS);
  if (port !== undefined) return port;
  throw new EventsError('timeout', `${name} was not ready within ${START_LIMIT_MS} ms: ${said()}`);
}

/** Undefined when it takes longer. */
export async function withLimit<T>(work: Promise<T>, limitMs: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // not one of its log lines
  }
}
