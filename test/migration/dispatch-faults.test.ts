/** Facts survive what befalls the worker and its broker: the process is killed, the broker is stopped and comes back. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../src/connect.js';
import { eventually, within } from '../await.js';
import { type RabbitBroker, startRabbit } from '../brokers/rabbitmq.js';
import { rabbitInstalled } from '../brokers/shared.js';
import { type Child, killLeftovers, runProgram } from '../transports/embedded/child.js';
import { expectExactlyOnce, flagOf, type Scene, setScene, summary, tell } from './flip-scene.js';

const JOBS = Number(process.env.FLIP_JOBS ?? 300);
/** How often the worker is killed. `npm test` takes few; the long run takes 200. */
const RUNS = Number(process.env.KILL_RUNS ?? 6);
/** It is killed at a random point within this time of its first fact. */
const LIFE_MS = 120;

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

afterEach(killLeftovers);

for (const kind of ['embedded', 'amqp'] as const) {
  describe.skipIf(kind === 'amqp' && !rabbitInstalled)(
    `a worker killed ${RUNS} times in live, on ${kind},`,
    () => {
      it('whose jobs are delivered again has every effect happen once', {
        timeout: 60_000 + RUNS * 5_000,
      }, async () => {
        const scene = await setScene(kind);
        await scene.move({ stage: 'live', percent: 100 });
        // More than it can do before it is killed; what it has not told when it dies is delivered again, though its event may
        // be on disk already.
        const jobs = range(0, Math.min(RUNS * 600, 30_000));
        const told = new Set<number>();
        let kills = 0;
        while (kills < RUNS && jobs.length - told.size > 500) {
          const worker = startWorker(scene, jobs, told);
          await firstTold(worker);
          await killWithin(worker, Math.random() * LIFE_MS);
          for (const job of toldBy(worker)) told.add(job);
          kills++;
        }
        expect(told.size).toBeLessThan(jobs.length);
        const last = startWorker(scene, jobs, told);
        expect(await within('the last one ends', last.exited(), 120_000)).toBe(0);
        expect(toldBy(last).length + told.size).toBe(jobs.length);

        const dispatcher = await scene.worker();
        await scene.settled(dispatcher);
        const logs = expectExactlyOnce(scene, jobs);
        const decisions = { live: jobs.length };
        console.log(`${kind}, ${summary(`${kills} kills`, jobs.length, logs, decisions)}`);
      });
    },
  );
}

function startWorker(scene: Scene, jobs: readonly number[], told: ReadonlySet<number>): Child {
  const { url, names, flagFile, outboxFile, serviceUrls: services } = scene;
  const rest = { from: 0, to: jobs.length, done: [...told] };
  const program = new URL('./programs/worker.mjs', import.meta.url).href;
  const child = runProgram(program);
  child.say(JSON.stringify({ url, names, flagFile, outboxFile, services, ...rest }));
  return child;
}

function firstTold(worker: Child): Promise<unknown> {
  return eventually(
    'the worker tells a job',
    () => {
      const { exitCode } = worker.process;
      if (exitCode !== null) throw new Error(`it ended with ${exitCode}: ${worker.lines.join(' ')}`);
      return toldBy(worker).length > 0;
    },
    { withinMs: 30_000 },
  );
}

function toldBy({ lines }: Child): number[] {
  return lines.filter((line) => line.startsWith('told ')).map((line) => Number(line.slice('told '.length)));
}

/** A kill has to come at a random time, so here a time is waited for on purpose. */
function killWithin(child: Child, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    setTimeout(() => child.kill().then(resolve, reject), ms);
  });
}

describe.skipIf(!rabbitInstalled)('with RabbitMQ killed and started again', () => {
  let rabbit: RabbitBroker;
  beforeAll(async () => {
    rabbit = await startRabbit();
  });
  afterEach(() => rabbit.start());
  afterAll(() => rabbit.stop());

  it('what is told in live meanwhile waits in the outbox, and every effect happens once', {
    timeout: 120_000 + JOBS * 60,
  }, async () => {
    const scene = await setScene('amqp', { brokerUrl: rabbit.url });
    await scene.move({ stage: 'live', percent: 100 });
    const dispatcher = await scene.worker();
    const third = Math.ceil(JOBS / 3);
    await Promise.all(range(0, third).map((job) => tell(dispatcher, job)));
    // In the middle of sending.
    const under = range(third, 2 * third).map((job) => tell(dispatcher, job));
    await rabbit.kill();
    await Promise.all(under);
    const told = await Promise.all(range(2 * third, JOBS).map((job) => tell(dispatcher, job)));
    expect(new Set(told.map(({ event }) => event))).toEqual(new Set(['stored']));
    expect(dispatcher.parts.outbox.state().waiting).toBeGreaterThanOrEqual(JOBS - 2 * third);
    await rabbit.start();
    await scene.settled(dispatcher);
    const logs = expectExactlyOnce(scene, range(0, JOBS));
    console.log(summary('RabbitMQ killed in live', JOBS, logs, dispatcher.state().decisions));
  });

  it('whoever tells a fact in shadow meanwhile sees nothing of it, and a worker can start', {
    timeout: 120_000 + JOBS * 60,
  }, async () => {
    const scene = await setScene('amqp', { brokerUrl: rabbit.url });
    await scene.move({ stage: 'shadow', percent: 100 });
    await rabbit.kill();
    const bus = await connect({
      ...{ url: rabbit.url, environment: scene.names, source: 'analysis-worker' },
      ...{ lazy: true, onNotice() {}, startTimeoutMs: 60_000 },
    });
    try {
      const dispatcher = await scene.worker({}, bus);
      const told = await Promise.all(range(0, JOBS).map((job) => tell(dispatcher, job)));
      const all = { event: 'stored', callbacks: [{ outcome: 'sent' }, { outcome: 'sent' }] };
      for (const result of told) expect(result).toMatchObject(all);
      // The callbacks have had all effects; the broker is still down.
      for (const service of scene.services) expect(service.effects()).toHaveLength(JOBS);
      await rabbit.start();
      await scene.settled(dispatcher);
      const logs = expectExactlyOnce(scene, range(0, JOBS));
      for (const service of scene.services) {
        expect(service.events.dryRuns).toBeGreaterThanOrEqual(JOBS);
        expect(service.events.dryRuns).toBe(service.events.all);
      }
      console.log(summary('RabbitMQ down in shadow', JOBS, logs, dispatcher.state().decisions));
      await dispatcher.close();
    } finally {
      await bus.close();
    }
  });

  it('a flip from live back to shadow with the broker down: both old and new facts happen once', {
    timeout: 120_000 + JOBS * 60,
  }, async () => {
    const scene = await setScene('amqp', { brokerUrl: rabbit.url });
    await scene.move({ stage: 'live', percent: 100 });
    const dispatcher = await scene.worker();
    await rabbit.kill();
    const half = Math.ceil(JOBS / 2);
    await Promise.all(range(0, half).map((job) => tell(dispatcher, job)));
    await scene.move({ stage: 'shadow', percent: 100 });
    await eventually('the worker sees it', () => flagOf(dispatcher).stage === 'shadow');
    await Promise.all(range(half, JOBS).map((job) => tell(dispatcher, job)));
    // Back at callbacks, new facts happen at once; those told in live wait for the broker, and are not lost.
    for (const service of scene.services) expect(service.effects()).toHaveLength(JOBS - half);
    await rabbit.start();
    await scene.settled(dispatcher);
    const logs = expectExactlyOnce(scene, range(0, JOBS));
    console.log(summary('live to shadow without RabbitMQ', JOBS, logs, dispatcher.state().decisions));
  });
});
