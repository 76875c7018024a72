/**
 * Consumers killed with SIGKILL at every step of docs/consuming.md and at random. Afterwards every event is in exactly one
 * place: done, or in the dead-letter queue; effects under `once` happened once; second dead letters are marked.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Transport } from '../../../src/core/transport.js';
import { createTransport } from '../../../src/transports/index.js';
import { eventually, within } from '../../await.js';
import { sharedRabbit } from '../../brokers/shared.js';
import { temporaryFolder } from '../../commands/cli.js';
import { type Child, killLeftovers, runProgram } from '../../transports/embedded/child.js';
import { DELAYS_MS, expectOnePlaceEach, nothingWaits, publishAll, topologyOf } from './fates.js';

/** In the order in which a delivery passes them. */
const STEPS = [
  ...['handler', 'claim', 'claimed', 'effect', 'complete', 'completed', 'handled'],
  ...['publish', 'confirmed', 'ack', 'acked', 'synchronise', 'synchronised', 'forget', 'forgotten'],
] as const;
/** These come after the ack, once a second for all that was decided meanwhile. */
const ONCE_A_SECOND: readonly string[] = STEPS.slice(-4);

/** How often a consumer is killed: by default once at every step, and half as often at random. The long run takes 200. */
const RUNS = Number(process.env.KILL_RUNS ?? Math.floor(1.5 * STEPS.length));
/** Random kills come within this time of being ready. */
const LIFE_MS = 400;
/** Within this time of being started every step is reached. */
const PATIENCE_MS = 20_000;

const PROGRAM = new URL('./programs/die-at-a-step.mjs', import.meta.url).href;

describe.each([
  ['embedded', {}],
  ['amqp', {}],
  ['amqp', { 'x-queue-type': 'quorum', 'x-delivery-limit': 50 }],
] as const)('a consumer on %s, queue arguments %j', (broker, queueArguments) => {
  test(`after ${RUNS} kills every event is in one place, and its effect happened once`, {
    timeout: 60_000 + RUNS * 5_000,
  }, async () => {
    const folder = temporaryFolder();
    const url = broker === 'amqp' ? (await sharedRabbit()).url : `embedded:${join(folder, 'broker.db')}`;
    const queue = `kill_${process.pid}_${'x-queue-type' in queueArguments ? 'quorum' : 'classic'}`;
    const topology = topologyOf(queue, queueArguments);
    const effects = join(folder, 'effects');
    writeFileSync(effects, '');
    const setting = { url, queue, topology, store: join(folder, 'once.db'), effects, delaysMs: DELAYS_MS };
    const transport = await createTransport(url);
    await transport.apply(topology);
    try {
      let published = 0;
      const died = new Set<string>();
      for (let run = 0; run < RUNS; run++) {
        published = await publishAll(transport, queue, published);
        // Two times of three at a step, in turn; else at random.
        const step = run % 3 === 2 ? undefined : STEPS[(run - Math.floor(run / 3)) % STEPS.length];
        const nth =
          step !== undefined && ONCE_A_SECOND.includes(step) ? 1 : 1 + Math.floor(Math.random() * 4);
        await killed(runProgram(PROGRAM, JSON.stringify({ ...setting, ...(step && { step, nth }) })), step);
        if (step !== undefined) died.add(step);
      }
      expect([...died], 'every step was the last one of a process').toEqual(
        STEPS.slice(0, RUNS - Math.floor(RUNS / 3)),
      );
      await finish(transport, queue, setting);
      const happened = readFileSync(effects, 'utf8').trimEnd().split('\n');
      console.log(`${RUNS} kills, ${await expectOnePlaceEach(transport, queue, happened, published)}`);
    } finally {
      await killLeftovers();
      const delays = DELAYS_MS.map((delay) => `${queue}.retry.${delay}`);
      await transport.remove({ queues: [queue, `${queue}_dlq`, ...delays], exchanges: [`${queue}_dlx`] });
      await transport.close();
    }
  });
});

/** At the step, which the process has to reach; or at a random time, which is waited for on purpose. */
async function killed(child: Child, step: string | undefined): Promise<void> {
  if (step !== undefined) {
    await within(`a process dies at ${step}`, child.exited(), PATIENCE_MS);
    expect(child.lines).toContain(`dies at ${step}`);
    return;
  }
  await child.printed('ready');
  await pause(Math.random() * LIFE_MS);
  await child.kill();
}

/** Lets a consumer run until nothing waits anywhere, and ends it in peace. */
async function finish(transport: Transport, queue: string, setting: object): Promise<void> {
  const runToTheEnd = async () => {
    const child = runProgram(PROGRAM, JSON.stringify(setting));
    await child.printed('ready');
    const empty = () => nothingWaits(transport, queue);
    await eventually('nothing waits', empty, { withinMs: 60_000, everyMs: 50 });
    child.process.kill('SIGTERM');
    await within('the consumer ends', child.exited(), 20_000);
    // What was in hand has been handed back by now: everything has to be empty still.
    return empty();
  };
  await eventually('everything is handled', runToTheEnd, { withinMs: 120_000 });
}
