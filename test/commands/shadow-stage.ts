/** What the tests of `shadow run` have in common: receivers of callbacks, a run of the built command, and jobs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, onTestFinished } from 'vitest';
import { createPublisher } from '../../src/core/publishing/publisher.js';
import type { Transport } from '../../src/core/transport.js';
import { atma } from '../../src/presets/atma.js';
import { readRun } from '../../src/shadow/read-run.js';
import type { RunSummary } from '../../src/shadow/run-summary.js';
import { eventually } from '../await.js';
import { type CommandBroker, describeOnBothBrokers, withTransport } from './brokers.js';
import { temporaryFolder } from './cli.js';

const BIN = fileURLToPath(new URL('../../bin/atma-events.js', import.meta.url));

export interface Receiver {
  readonly url: string;
  /** Bodies that arrived. */
  readonly bodies: string[];
  /** Answers from here on wait for the promise. */
  holdUntil(opened: Promise<void>): void;
}

/** A service that takes callbacks. */
export async function startReceiver(): Promise<Receiver> {
  const bodies: string[] = [];
  let held = Promise.resolve();
  const server: Server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      bodies.push(body);
      void held.then(() => response.end('{"ok":true}'));
    });
  });
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    bodies,
    holdUntil(opened) {
      held = opened;
    },
  };
}

export interface ShadowRun {
  readonly child: ChildProcess;
  /** Of the proxy. */
  readonly url: string;
  readonly store: string;
  readonly ended: Promise<{ readonly exitCode: number | null; readonly stdout: string }>;
  stderr(): string;
  says(text: string): Promise<void>;
  /** Resolves once a checkpoint satisfies `holds`. */
  saved(what: string, holds: (summary: RunSummary) => boolean): Promise<RunSummary>;
}

export interface RunOptions {
  readonly receiver: Receiver;
  readonly store?: string;
  readonly args?: readonly string[];
  /** Bytes that no file of it may grow beyond: a full disk for anybody. */
  readonly fileLimit?: number;
  readonly window?: string;
}

export async function startRun(
  broker: Pick<CommandBroker, 'options'>,
  { receiver, store = join(temporaryFolder(), 'shadow.db'), args = [], fileLimit, window = '2s' }: RunOptions,
): Promise<ShadowRun> {
  const command = [
    ...[process.execPath, BIN, 'shadow', 'run', '--listen', '0', '--store', store, '--window', window],
    ...['--upstream', `notification=${receiver.url}`, '--upstream', `assessment=${receiver.url}`, ...args],
  ];
  const limit = fileLimit === undefined ? 'unlimited' : String(Math.ceil(fileLimit / 512));
  const child = spawn('sh', ['-c', 'ulimit -f "$0"; exec "$@"', limit, ...command], {
    env: { PATH: process.env.PATH, ...broker.options().env },
    stdio: 'pipe',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<{ exitCode: number | null; stdout: string }>((resolve) => {
    child.on('close', (exitCode) => resolve({ exitCode, stdout }));
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const says = async (text: string) => {
    await eventually(
      `stderr holds "${text}"`,
      () => {
        if (stderr.includes(text)) return true;
        if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${stdout}${stderr}`);
        throw new Error(stderr);
      },
      { withinMs: 30_000 },
    );
  };
  await says('shadow run: callbacks on ');
  const url = /callbacks on (\S+)/.exec(stderr)?.[1] ?? '';
  return {
    child,
    url,
    store,
    ended,
    stderr: () => stderr,
    says,
    async saved(what, holds) {
      return eventually(
        what,
        () => {
          const run = readRun(store);
          try {
            if (holds(run.summary)) return run.summary;
            throw new Error(JSON.stringify({ ...run.summary.counts.totals, gaps: run.summary.gaps }));
          } finally {
            run.close();
          }
        },
        { withinMs: 60_000, everyMs: 100 },
      );
    },
  };
}

/** Every source tells everything. */
export const isUp = ({ sources }: RunSummary) => sources.every(({ stalledSince }) => stalledSince === null);

export interface Job {
  readonly jobId: string;
  readonly userId: string;
  readonly resultId: string;
}

export const makeJob = (): Job => ({ jobId: randomUUID(), userId: randomUUID(), resultId: randomUUID() });

/** Both callbacks of a completed job. Resolves with the statuses of their answers. */
export async function callBack(url: string, job: Job): Promise<readonly number[]> {
  const { userId, ...known } = job;
  const status = 'completed';
  return Promise.all([
    post(`${url}/notifications/analysis-complete`, { userId, ...known, status }),
    post(`${url}/assessments/callback/completed`, { ...known, status }),
  ]);
}

async function post(url: string, body: object): Promise<number> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-internal-service': 'true', 'x-service-key': 'geheim' },
    body: JSON.stringify(body),
  });
  await response.arrayBuffer();
  return response.status;
}

/** Publishes `analysis.completed` of these jobs, as the worker would. */
export async function publishCompleted(
  broker: Pick<CommandBroker, 'env'>,
  transport: Transport,
  ...jobs: readonly Job[]
): Promise<void> {
  const publisher = createPublisher(transport, atma.build(broker.env).catalog);
  const metadata = { assessmentName: 'AI-Driven Talent Mapping', processingTime: 1, retryCount: 0 };
  await Promise.all(
    jobs.map((job) =>
      publisher.publish('analysis.completed', { ...job, userEmail: 'budi@example.com', metadata } as never),
    ),
  );
}

/** Suites of the live run, on both brokers, each test with a fresh ATMA topology. */
export function describeShadowRun(suite: (broker: CommandBroker) => void): void {
  describeOnBothBrokers('shadow run', (broker) => {
    beforeEach(async () => {
      await broker.clean();
      await withTransport(broker, (transport) => transport.apply(atma.build(broker.env).topology));
    });
    suite(broker);
  });
}

/** Closed when the test ends. */
export async function opened(broker: CommandBroker): Promise<Transport> {
  const transport = await broker.open();
  onTestFinished(() => transport.close());
  return transport;
}
