/** The three services of examples/atma as processes on one of the brokers, under names of their own; jobs; what came of them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished } from 'vitest';
import type { Position } from '../../src/core/migration/stage.js';
import { createTransport, type MessageProperties, type Transport } from '../../src/index.js';
import { readFlagFile } from '../../src/migration/flag-file.js';
import { moveFlag } from '../../src/migration/flip.js';
import { openDatabase } from '../../src/storage/sqlite.js';
import { eventually, within } from '../await.js';
import { rabbitInstalled, sharedRabbit } from '../brokers/shared.js';
import { type EffectRow, effectsHad, expectedEffects, type Job, type ServiceName } from './atma-jobs.js';

export type Kind = 'embedded' | 'amqp';
export type Environment = Readonly<Record<string, string>>;

export const KEY = 'the-key-of-the-tests';
const RETRY_DELAYS_MS = [100, 200, 400, 800, 1_600, 3_200];
/** Starting three processes on a busy machine. */
const PATIENT = { withinMs: 60_000 };

export interface LogLine {
  readonly at: string;
  readonly service: string;
  readonly level: string;
  readonly event: string;
  readonly [detail: string]: unknown;
}

export interface Service {
  readonly name: ServiceName;
  readonly url: string;
  readonly port: number;
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  logs(event?: string): LogLine[];
  stderr(): string;
  get(path: string): Promise<{ readonly status: number; readonly json: Record<string, unknown> }>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Another process with the same environment and port, once this one is gone. */
  again(more?: Environment): Promise<Service>;
}

export interface Scene {
  readonly kind: Kind;
  readonly url: string;
  readonly folder: string;
  readonly names: {
    readonly exchange: string;
    readonly notifications: string;
    readonly assessments: string;
    readonly jobExchange: string;
    readonly jobQueue: string;
  };
  readonly transport: Transport;
  start(name: ServiceName, more?: Environment): Promise<Service>;
  /** Starts without waiting: for those that are not to become ready. */
  launch(name: ServiceName, more?: Environment): Omit<Service, 'url' | 'port' | 'get' | 'again'>;
  /** Receivers first; the worker knows where they are. */
  startAll(more?: Environment): Promise<Cast>;
  /** Moves the flag, without asking the gate. */
  move(to: Position): Promise<number>;
  /** Puts jobs on the queue, as the assessment service does today. */
  offer(jobs: readonly object[], properties?: MessageProperties): Promise<void>;
  ready(queue: string): Promise<number>;
  /** What a service wrote down, whether it runs or not. */
  effects(name: 'notification-service' | 'assessment-service'): EffectRow[];
}

export interface Cast {
  readonly worker: Service;
  readonly notification: Service;
  readonly assessment: Service;
}

/** Runs the suite on the embedded broker and on RabbitMQ (skipped, loudly, where that is not installed). */
export function onBothBrokers(name: string, suite: (kind: Kind) => void): void {
  for (const kind of ['embedded', 'amqp'] as const) {
    describe.skipIf(kind === 'amqp' && !rabbitInstalled)(`${name}, on ${kind}`, () => suite(kind));
  }
}

/** Everything is gone when the test ends. */
export async function setScene(kind: Kind, brokerUrl?: string): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'atma-services-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const url =
    brokerUrl ?? (kind === 'amqp' ? (await sharedRabbit()).url : `embedded:${join(folder, 'broker.db')}`);
  const names = namesOf(randomBytes(4).toString('hex'));
  const flagFile = join(folder, 'flags.json');
  const transport = await createTransport(url, { onNotice() {} });
  onTestFinished(async () => {
    await removeAll(transport, names);
    await transport.close();
  });

  const environment: Environment = {
    RABBITMQ_URL: url,
    EVENTS_EXCHANGE_NAME: names.exchange,
    EVENTS_QUEUE_NAME_NOTIFICATIONS: names.notifications,
    EVENTS_QUEUE_NAME_ASSESSMENTS: names.assessments,
    JOB_EXCHANGE_NAME: names.jobExchange,
    JOB_QUEUE_NAME: names.jobQueue,
    ATMA_EVENTS_FLAG_FILE: flagFile,
    INTERNAL_SERVICE_KEY: KEY,
    RETRY_DELAYS_MS: RETRY_DELAYS_MS.join(','),
    CIRCUIT_OPEN_MS: '300',
    PORT: '0',
  };
  const launch = (name: ServiceName, more: Environment = {}) =>
    launchService(name, { folder, ...environment, DATA_DIR: join(folder, name), ...more });
  async function start(name: ServiceName, more: Environment = {}): Promise<Service> {
    const launched = launch(name, more);
    const port = await eventually(
      `${name} is ready`,
      () => {
        const { exitCode } = launched.child;
        if (exitCode !== null) throw new Error(`ended with ${exitCode}: ${JSON.stringify(launched.logs())}`);
        return launched.logs('ready')[0]?.port as number | undefined;
      },
      PATIENT,
    );
    const at = `http://127.0.0.1:${port}`;
    return {
      ...launched,
      ...{ url: at, port },
      async get(path) {
        const response = await fetch(`${at}${path}`);
        return { status: response.status, json: (await response.json()) as Record<string, unknown> };
      },
      again: (again = {}) => start(name, { ...more, PORT: String(port), ...again }),
    };
  }

  return {
    ...{ kind, url, folder, names, transport, start, launch },
    async startAll(more = {}) {
      const [notification, assessment] = await Promise.all([
        start('notification-service', more),
        start('assessment-service', more),
      ]);
      const worker = await start('analysis-worker', {
        NOTIFICATION_SERVICE_URL: notification.url,
        ASSESSMENT_SERVICE_URL: assessment.url,
        ...more,
      });
      return { worker, notification, assessment };
    },
    async move(to) {
      const moved = await moveFlag({
        ...{ file: flagFile, to, expected: readFlagFile(flagFile).hash, by: 'test', reason: 'test' },
        ...{ forced: true, evidence: null, now: Date.now },
      });
      return moved.after.epoch;
    },
    async offer(jobs, properties = {}) {
      const messages = jobs.map((job) => ({
        exchange: names.jobExchange,
        routingKey: 'analysis.process',
        body: Buffer.from(JSON.stringify(job)),
        properties: { deliveryMode: 2 as const, ...properties },
        mandatory: true,
      }));
      await Promise.all(messages.map((message) => transport.publish(message)));
    },
    ready: async (queue) => (await transport.counts(queue))?.ready ?? -1,
    effects(name) {
      const file = name === 'notification-service' ? 'notifications.db' : 'assessments.db';
      const path = join(folder, name, file);
      if (!existsSync(path)) return [];
      const database = openDatabase(path, { readonly: true, busyTimeoutMs: 1_000 });
      try {
        const rows = database.prepare('SELECT fact, effect, path FROM effects ORDER BY n').all();
        return rows.map(([fact, effect, path]) => ({
          fact: String(fact),
          effect: String(effect),
          path: String(path),
        }));
      } finally {
        database.close();
      }
    },
  };
}

function namesOf(suffix: string): Scene['names'] {
  return {
    exchange: `events_${suffix}`,
    notifications: `notifications_${suffix}`,
    assessments: `assessments_${suffix}`,
    jobExchange: `jobs_${suffix}`,
    jobQueue: `analysis_${suffix}`,
  };
}

async function removeAll(transport: Transport, names: Scene['names']): Promise<void> {
  const queues = [names.notifications, names.assessments, names.jobQueue].flatMap((queue) => [
    ...[queue, `${queue}_dlq`],
    ...RETRY_DELAYS_MS.map((ms) => `${queue}.retry.${ms}`),
  ]);
  const exchanges = [names.exchange, `${names.exchange}_dlx`, names.jobExchange];
  await transport.remove({ queues, exchanges });
}

function launchService(
  name: ServiceName,
  { folder, ...environment }: Environment,
): ReturnType<Scene['launch']> {
  const program = fileURLToPath(new URL(`../../examples/atma/${name}/main.mjs`, import.meta.url));
  const child = spawn(process.execPath, [program], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => resolve(code));
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    ...{ name, child, ended, stderr: () => stderr },
    logs(event) {
      const lines = stdout.split('\n').slice(0, -1);
      const parsed = lines.map((line): LogLine => JSON.parse(line));
      return event === undefined ? parsed : parsed.filter((line) => line.event === event);
    },
    async stop() {
      child.kill('SIGTERM');
      return within(`${name} ends`, ended, 30_000);
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Looks into both services' tables: no effect is missing, and none is there twice. */
export function expectExactlyOnce(scene: Scene, jobs: readonly Job[]): void {
  for (const name of ['notification-service', 'assessment-service'] as const) {
    expect(effectsHad(scene.effects(name)), name).toEqual(expectedEffects(jobs, name));
  }
}

/** Waits until both services have done what the jobs come to, or more. */
export async function allDone(scene: Scene, jobs: readonly Job[]): Promise<void> {
  for (const name of ['notification-service', 'assessment-service'] as const) {
    const count = expectedEffects(jobs, name).length;
    await eventually(`${name} has ${count} effects`, () => scene.effects(name).length >= count, {
      ...{ withinMs: 60_000, everyMs: 50 },
    });
  }
}

/**
 * Lets everything that is on its way arrive, then ends all processes: what would have been done twice has been done by then.
 * The worker ends first; what it has not sent is none.
 */
export async function endAll(scene: Scene, { worker, notification, assessment }: Cast): Promise<void> {
  const empty = async (queue: string) =>
    eventually(`${queue} is empty`, async () => (await scene.ready(queue)) === 0, {
      withinMs: 30_000,
      everyMs: 20,
    });
  await empty(scene.names.jobQueue);
  expect(await worker.stop()).toBe(0);
  for (const queue of [scene.names.notifications, scene.names.assessments]) await empty(queue);
  expect(await Promise.all([notification.stop(), assessment.stop()])).toEqual([0, 0]);
  for (const queue of [scene.names.notifications, scene.names.assessments]) {
    expect(await scene.ready(queue), `handed back to ${queue}`).toBe(0);
  }
  for (const { name, stderr } of [worker, notification, assessment]) expect(stderr(), name).toBe('');
}
