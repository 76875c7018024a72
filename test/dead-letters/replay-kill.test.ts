/** SIGKILL to the replayer at every step and at random; then a resumed replay brings everything to its end. */
import { afterEach, expect, it } from 'vitest';
import { openLedger } from '../../src/dead-letters/ledger.js';
import { isReplayRunning } from '../../src/dead-letters/lock.js';
import { startReplay } from '../../src/dead-letters/replay.js';
import { REPLAY_STEPS } from '../../src/dead-letters/replay-steps.js';
import { eventually } from '../await.js';
import { killPrograms, type Program } from '../transports/contract/program.js';
import { bringToEnd, expectAllBroughtBack, fillRound, startProgram } from './replay-crash.js';
import { describeReplay, type StageOptions } from './replay-stage.js';

/** How often processes are killed at random. `npm test` takes few; the long run takes 200. */
const RUNS = Number(process.env.KILL_RUNS ?? 8);
/** A replay of this many takes about as long as processes are let live. */
const COUNT = 1_500;
const LIFE_MS = 500;

const QUORUM: StageOptions = { arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 20 } };

const programs: Program[] = [];
afterEach(() => killPrograms(programs.splice(0)));

describeReplay('a replay that is killed', (withStage, kind) => {
  const kinds: [string, StageOptions][] = [
    ['classic queues', {}],
    ...(kind === 'amqp' ? [['quorum queues with a delivery limit', QUORUM] as [string, StageOptions]] : []),
  ];

  for (const [queues, options] of kinds) {
    for (const step of REPLAY_STEPS) {
      it(`at "${step}" is brought to its end by another: ${queues}`, async () => {
        const stage = await withStage(options);
        const ids = await fillRound(stage, COUNT);
        const first = startProgram(stage, step, 2);
        programs.push(first);
        expect(await first.ended).toBeNull();
        expect(first.lines.at(-1)).toBe(step);
        // Killed once more, in the middle of putting it right.
        const second = startProgram(stage, step, 1);
        programs.push(second);
        expect(await second.ended).toBeNull();
        const report = await bringToEnd(stage);
        await expectAllBroughtBack(stage, ids, report);
      }, 60_000);
    }

    it(
      `at any moment, ${RUNS} times, is brought to its end by another: ${queues}`,
      async () => {
        let duplicates = 0;
        let doubts = 0;
        for (let run = 0; run < RUNS; run++) {
          const stage = await withStage(options);
          const ids = await fillRound(stage, COUNT);
          const program = startProgram(stage, 'none', 0);
          programs.push(program);
          await Promise.race([program.printed('in-hand'), program.ended]);
          // A kill has to come at a random time, so here a time is waited for on purpose.
          await new Promise((resolve) => setTimeout(resolve, Math.random() * LIFE_MS));
          await program.kill();
          const finished = program.lines.some((line) => line.startsWith('report '));
          const report = finished ? reportOf(program) : await bringToEnd(stage);
          duplicates += await expectAllBroughtBack(stage, ids, report);
          doubts += report.possibleDuplicates;
          await stage.close();
        }
        console.log(`${kind}, ${queues}: ${RUNS} kills, ${duplicates} duplicates of ${doubts} possible ones`);
      },
      60_000 + RUNS * 15_000,
    );
  }

  it('has held its lock until then: a second one is refused, and free to begin once it is dead', async () => {
    const stage = await withStage();
    await fillRound(stage, COUNT);
    const { transport, ledger, names } = stage;
    const program = startProgram(stage, 'claimed', 1, 'hang');
    programs.push(program);
    await eventually('it has begun', () => program.lines.includes('claimed'));
    expect(await isReplayRunning(transport, names.dlq)).toBe(true);
    const other = openLedger(`${ledger.path}.other`);
    const target = { kind: 'queue' } as const;
    // On another machine there is nothing in the ledger: the broker has to say it.
    const elsewhere = () => startReplay(transport, other, { queue: names.dlq, target });
    await expect(elsewhere()).rejects.toMatchObject({ code: 'queue-locked' });
    await program.kill();
    await eventually('the lock is free', async () => !(await isReplayRunning(transport, names.dlq)));
    const here = startReplay(transport, ledger, { queue: names.dlq, target });
    await expect(here).rejects.toMatchObject({
      code: 'queue-locked',
      hint: expect.stringContaining('--resume'),
    });
    const unfinished = ledger.unfinished(await transport.identity(), names.dlq)?.id ?? '';
    expect(ledger.abandon(unfinished)).toBe(true);
    expect(await startReplay(transport, ledger, { queue: names.dlq, target })).toMatchObject({ left: 0 });
    other.close();
  });

  it('has not locked out replays of other queues', async () => {
    const stage = await withStage();
    const elsewhere = await withStage();
    await fillRound(stage, COUNT);
    await elsewhere.fill(3);
    const program = startProgram(stage, 'claimed', 1, 'hang');
    programs.push(program);
    await eventually('it has begun', () => program.lines.includes('claimed'));
    const { transport, ledger, names } = elsewhere;
    const report = await startReplay(transport, ledger, { queue: names.dlq, target: { kind: 'queue' } });
    expect(report.replayed).toBe(3);
  });
});

function reportOf(program: Program) {
  const line = program.lines.find((each) => each.startsWith('report ')) ?? '';
  return JSON.parse(line.slice('report '.length));
}
