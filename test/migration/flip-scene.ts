/**
 * A worker that tells facts through a dispatcher, and ATMA's two services, on one of the brokers; the flag is a real file,
 * moved by `moveFlag`. At the end the services' effect logs must hold every fact exactly once.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { Position } from '../../src/core/migration/stage.js';
import {
  type AtmaEvents,
  type Bus,
  connect,
  type Dispatched,
  type DispatcherTrouble,
  type FlagState,
  type OpenDispatcher,
  type OpenDispatcherOptions,
  openDispatcher,
  PATHS,
  type Stage,
} from '../../src/index.js';
import { readFlagFile } from '../../src/migration/flag-file.js';
import { moveFlag } from '../../src/migration/flip.js';
import { eventually } from '../await.js';
import { sharedRabbit } from '../brokers/shared.js';
import { type Effect, type Service, type ServiceOptions, startService } from './services.js';

export type Kind = 'embedded' | 'amqp';

export interface SceneOptions extends Pick<ServiceOptions, 'hold' | 'mishap'> {
  /** Default: the shared RabbitMQ, or an embedded broker in the scene's folder. */
  readonly brokerUrl?: string;
}

export interface Scene {
  readonly folder: string;
  readonly url: string;
  /** Variables with the names of this scene's exchange and queues. */
  readonly names: Readonly<Record<string, string>>;
  readonly flagFile: string;
  readonly outboxFile: string;
  readonly services: readonly Service[];
  readonly serviceUrls: Readonly<Record<string, string>>;
  readonly troubles: DispatcherTrouble[];
  /** Moves the flag, by as many moves as it takes, as an operator with `--force` may. */
  move(to: Position): Promise<void>;
  /** A worker: a dispatcher, on a bus of its own unless one is given. Closed at the end of the test. */
  worker(options?: OpenDispatcherOptions, bus?: Bus<AtmaEvents>): Promise<OpenDispatcher<AtmaEvents>>;
  /** Resolves once all that was sent has been dealt with, as a mark sent after it proves. */
  settled(dispatcher: OpenDispatcher<AtmaEvents>): Promise<void>;
}

/** Where a worker sees the flag. */
export function flagOf({ parts: { flag } }: OpenDispatcher<AtmaEvents>): FlagState {
  if (flag === undefined) throw new Error('the worker has no flag file');
  return flag.state;
}

/** The job with this number: every fifth analysis fails. */
export function tell(dispatcher: OpenDispatcher<AtmaEvents>, job: number): Promise<Dispatched> {
  const own = { jobId: uuid(1, job), userId: uuid(2, job), userEmail: 'user@example.com' };
  const metadata = { assessmentName: 'Talent', processingTime: 5 };
  return fails(job)
    ? dispatcher.analysisFailed({ ...own, errorMessage: 'AI did not answer', metadata })
    : dispatcher.analysisCompleted({ ...own, resultId: uuid(3, job), metadata });
}

const fails = (job: number) => job % 5 === 0;

export const factOf = (job: number) =>
  fails(job) ? `analysis.failed:${uuid(1, job)}` : `analysis.completed:${uuid(1, job)}:${uuid(3, job)}`;

/** The number of the job that a fact is about. */
export const jobOfFact = (fact: string) => Number(/-8000-0*(\d+)(:|$)/.exec(fact)?.[1]);

const uuid = (kind: number, job: number) =>
  `${String(kind).padStart(8, '0')}-0000-4000-8000-${String(job).padStart(12, '0')}`;

export async function setScene(kind: Kind, options: SceneOptions = {}): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'atma-flips-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const shared = async () =>
    kind === 'amqp' ? (await sharedRabbit()).url : `embedded:${join(folder, 'broker.db')}`;
  const url = options.brokerUrl ?? (await shared());
  const suffix = randomBytes(4).toString('hex');
  const names = {
    EVENTS_EXCHANGE_NAME: `flips_${suffix}`,
    EVENTS_QUEUE_NAME_NOTIFICATIONS: `flips_${suffix}_notifications`,
    EVENTS_QUEUE_NAME_ASSESSMENTS: `flips_${suffix}_assessments`,
  };
  const flagFile = join(folder, 'flags.json');
  const outboxFile = join(folder, 'outbox.db');
  const troubles: DispatcherTrouble[] = [];

  const busFor = async (source: string): Promise<Bus<AtmaEvents>> => {
    const bus = await connect({
      url,
      environment: names,
      source,
      reconnectTimeoutMs: 60_000,
      onNotice() {},
    });
    onTestFinished(() => bus.close({ deadlineMs: 0 }));
    return bus;
  };
  const setUp = await busFor('setup');
  await setUp.setup();
  if (kind === 'amqp' && options.brokerUrl === undefined) {
    onTestFinished(async () => {
      const cleaner = await connect({ url, environment: names });
      const { queues, exchanges } = cleaner.topology;
      const delays = queues.flatMap(({ name }) =>
        [5_000, 30_000, 120_000, 600_000].map((ms) => `${name}.retry.${ms}`),
      );
      await cleaner.transport.remove({
        queues: [...queues.map(({ name }) => name), ...delays],
        exchanges: exchanges.map(({ name }) => name),
      });
      await cleaner.close();
    });
  }

  const start = async (name: ServiceOptions['name'], queue: string): Promise<Service> => {
    const bus = await busFor(name);
    const { hold, mishap } = options;
    const service = await startService({
      name,
      folder,
      bus,
      queue,
      ...(hold && { hold }),
      ...(mishap && { mishap }),
    });
    onTestFinished(() => service.close());
    return service;
  };
  const services = [
    await start('notification', names.EVENTS_QUEUE_NAME_NOTIFICATIONS),
    await start('assessment', names.EVENTS_QUEUE_NAME_ASSESSMENTS),
  ];
  const serviceUrls = Object.fromEntries(services.map((service) => [service.name, service.url]));

  return {
    ...{ folder, url, names, flagFile, outboxFile, services, serviceUrls, troubles },
    async move(to) {
      const { hash } = readFlagFile(flagFile);
      await moveFlag({
        ...{
          file: flagFile,
          to,
          expected: hash,
          by: 'test',
          reason: 'a flip with traffic',
          samplePercent: 20,
        },
        ...{ forced: true, evidence: null, now: Date.now },
      });
    },
    async worker(more, given) {
      const bus = given ?? (await busFor('analysis-worker'));
      const dispatcher = await openDispatcher(bus, {
        ...{ flagFile, outboxFile, services: serviceUrls, environment: {}, pollMs: 20 },
        // Ten thousand at once have to wait their turn, and mishaps are part of the game.
        callbacks: {
          circuit: false,
          timeouts: { responseMs: 300_000, totalMs: 900_000 },
          retry: { retries: 20, firstDelayMs: 5, maxDelayMs: 100 },
        },
        maxBacklog: 1_000_000,
        onTrouble: (trouble) => troubles.push(trouble),
        ...more,
      });
      onTestFinished(async () => {
        await dispatcher.close({ deadlineMs: 0 });
      });
      return dispatcher;
    },
    async settled(dispatcher) {
      const withinMs = 600_000;
      await eventually('callbacks in dry run are through', () => dispatcher.state().backlog === 0, {
        withinMs,
      });
      await dispatcher.parts.outbox.drained();
      const mark = uuid(9, Number.parseInt(randomBytes(4).toString('hex'), 16));
      await setUp.publish('analysis.started', {
        ...{ jobId: mark, userId: uuid(2, 0), userEmail: 'user@example.com' },
        metadata: { assessmentName: 'Talent' },
      });
      const done = () => services.every((service) => service.marks.has(mark) && service.idle());
      await eventually('the mark behind all events has come', done, { withinMs });
    },
  };
}

/** Fails unless each service had the effect of each of these jobs exactly once; gives the logs. */
export function expectExactlyOnce(scene: Scene, jobs: readonly number[]): Effect[][] {
  const wanted = jobs.map(factOf).toSorted();
  return scene.services.map((service) => {
    const effects = service.effects();
    const facts = effects.map(({ fact }) => fact).toSorted();
    expect(facts, `effects of ${service.name}`).toEqual(wanted);
    expect(service.deadLettered, `dead letters of ${service.name}`).toEqual([]);
    return effects;
  });
}

/** Fails where an effect was not had on the path that counts in the stage which the fact was decided to be in. */
export function expectRightPath(
  effects: readonly Effect[],
  decided: ReadonlyMap<string, ReadonlySet<Stage>>,
): void {
  const wrong = effects.filter(({ fact, path, stage }) => {
    const may = [...(decided.get(fact) ?? [])];
    return !may.includes(stage) || PATHS[stage].authoritative !== `${path}s`;
  });
  expect(wrong).toEqual([]);
}

/** One line on a run, for whoever reads the output of the tests. */
export function summary(what: string, jobs: number, logs: readonly Effect[][], decisions: object): string {
  const effects = logs.reduce((sum, log) => sum + log.length, 0);
  const per = Object.entries(decisions).map(([stage, count]) => `${stage} ${count}`);
  return `${what}: ${jobs} facts for 2 services, ${effects} effects, 0 missing, 0 twice; decisions: ${per.join(', ')}`;
}
