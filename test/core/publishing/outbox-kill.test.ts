/** Publishing processes killed with SIGKILL at every step of docs/outbox.md and at random. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createTransport } from '../../../src/transports/index.js';
import { within } from '../../await.js';
import { rabbitInstalled, sharedRabbit } from '../../brokers/shared.js';
import { temporaryFolder } from '../../commands/cli.js';
import { type Child, killLeftovers, runProgram } from '../../transports/embedded/child.js';
import { catchAll, expectAllInOrder, messagesIn } from './arrivals.js';

/** In the order in which an entry passes them. */
const STEPS = ['append', 'appended', 'publish', 'confirmed', 'remove', 'removed'] as const;

/** How often the process is killed: two times of three at a step, in turn, else at random. The long run takes 200. */
const RUNS = Number(process.env.KILL_RUNS ?? 20);
/** Random kills come within this time of being ready. */
const LIFE_MS = 300;

const PROGRAM = new URL('./programs/publish-until-killed.mjs', import.meta.url).href;

describe.each(['embedded', 'amqp'] as const)('an outbox on %s', (broker) => {
  test.skipIf(broker === 'amqp' && !rabbitInstalled)(
    `after ${RUNS} kills all that was published has arrived, in order`,
    { timeout: 60_000 + RUNS * 5_000 },
    async () => {
      const folder = temporaryFolder();
      const url = broker === 'amqp' ? (await sharedRabbit()).url : `embedded:${join(folder, 'broker.db')}`;
      const exchange = `outbox_kill_${process.pid}`;
      const setting = { url, path: join(folder, 'outbox.db'), exchange };
      const transport = await createTransport(url);
      await transport.apply(catchAll(exchange));
      try {
        const published: string[] = [];
        const died = new Set<string>();
        for (let run = 0; run < RUNS; run++) {
          const step = run % 3 === 2 ? undefined : STEPS[(run - Math.floor(run / 3)) % STEPS.length];
          const nth = 1 + Math.floor(Math.random() * 30);
          const child = runProgram(PROGRAM, JSON.stringify({ ...setting, run, ...(step && { step, nth }) }));
          await killed(child, step);
          if (step !== undefined) died.add(step);
          for (const line of child.lines) {
            if (line.startsWith('published ')) published.push(line.slice('published '.length));
          }
          expect(child.lines.filter((line) => line.startsWith('trouble'))).toEqual([]);
        }
        expect([...died], 'every step was the last one of a process').toEqual(
          STEPS.slice(0, RUNS - Math.floor(RUNS / 3)),
        );
        const last = runProgram(PROGRAM, JSON.stringify({ ...setting, end: true }));
        expect(await within('the rest is sent', last.exited(), 30_000)).toBe(0);
        const said = expectAllInOrder(await messagesIn(transport, exchange), published);
        expect(published.length).toBeGreaterThan(RUNS);
        console.log(`${broker}: ${RUNS} kills, ${said}`);
      } finally {
        await killLeftovers();
        await transport.remove({ queues: [exchange], exchanges: [exchange] });
        await transport.close();
      }
    },
  );
});

/** At the step, which the process has to reach; or at a random time, which is waited for on purpose. */
async function killed(child: Child, step: string | undefined): Promise<void> {
  if (step !== undefined) {
    await within(`a process dies at ${step}`, child.exited(), 20_000);
    expect(child.lines).toContain(`dies at ${step}`);
    return;
  }
  await child.printed('ready');
  await pause(Math.random() * LIFE_MS);
  await child.kill();
}
