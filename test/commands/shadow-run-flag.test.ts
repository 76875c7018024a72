/** A run is bound to the migration flag: it notes what the flag file was, and the gate believes it for that. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Position } from '../../src/core/migration/stage.js';
import { readFlagFile } from '../../src/migration/flag-file.js';
import { moveFlag } from '../../src/migration/flip.js';
import { judgeMove } from '../../src/migration/gate.js';
import { collectGateFacts } from '../../src/migration/gate-facts.js';
import { atma } from '../../src/presets/atma.js';
import { readRun } from '../../src/shadow/read-run.js';
import { eventually } from '../await.js';
import { EASY_POLICY } from '../migration/gate-scene.js';
import { type CommandBroker, describeOnBothBrokers } from './brokers.js';
import { runCli, temporaryFolder } from './cli.js';
import {
  callBack,
  describeShadowRun,
  isUp,
  makeJob,
  opened,
  publishCompleted,
  startReceiver,
  startRun,
} from './shadow-stage.js';
import { EASY } from './shadow-stores.js';

const LIVE: Position = { stage: 'live', percent: 5 };

function flagIn(folder: string) {
  const file = join(folder, 'flags.json');
  const move = (to: Position) =>
    moveFlag({
      ...{ file, to, expected: readFlagFile(file).hash, by: 'rina on worker-3', reason: 'test' },
      ...{ forced: false, evidence: null, now: Date.now },
    });
  return { file, move };
}

function flagsOf(store: string): readonly (string | null)[] {
  const run = readRun(store);
  run.close();
  return run.flags.map(({ hash }) => hash);
}

describeShadowRun((broker) => {
  it('notes the flag as it began, and each move while it goes on and while it does not', {
    timeout: 90_000,
  }, async () => {
    const folder = temporaryFolder();
    const { file, move } = flagIn(folder);
    const store = join(folder, 'run.db');
    const receiver = await startReceiver();
    const args = ['--flag-file', file];
    const run = await startRun(broker, { receiver, store, args });
    await run.saved('everything is up', isUp);
    await eventually('it has noted that there is no file', () => flagsOf(store).length === 1);
    const { hash: published } = await move({ stage: 'publish', percent: 100 });
    await eventually('the first move is noted', () => flagsOf(store).length === 2);
    run.child.kill('SIGKILL');
    await run.ended;
    const { hash: shadowed } = await move({ stage: 'shadow', percent: 100 });
    const again = await startRun(broker, { receiver, store, args });
    await eventually('the move in between is noted', () => flagsOf(store).length === 3);
    expect(flagsOf(store)).toEqual([null, published, shadowed]);
    const { stdout } = await verdictOf(broker, store);
    expect(JSON.parse(stdout).evidence).toMatchObject({ flag: null, flags: [null, published, shadowed] });
    again.child.kill('SIGINT');
    await again.ended;
  });

  it('opens the gate to live while the flag stays, and to more of live, but not to the stage after it', {
    timeout: 90_000,
  }, async () => {
    const folder = temporaryFolder();
    const { file, move } = flagIn(folder);
    await move({ stage: 'publish', percent: 100 });
    const { hash } = await move({ stage: 'shadow', percent: 100 });
    const receiver = await startReceiver();
    const store = join(folder, 'run.db');
    const run = await startRun(broker, { receiver, store, args: ['--flag-file', file] });
    await run.saved('everything is up', isUp);
    const transport = await opened(broker);
    for (const queue of [broker.notifications, broker.assessments]) {
      await transport.consume(queue, {}, (delivery) => void delivery.ack());
    }
    const jobs = Array.from({ length: 10 }, makeJob);
    await Promise.all([
      ...jobs.map((job) => callBack(run.url, job)),
      publishCompleted(broker, transport, ...jobs),
    ]);
    await run.saved('all match', ({ counts }) => counts.totals.match === 20);

    const system = atma.build(broker.env);
    const completed = EASY_POLICY.strata.filter(({ eventType }) => eventType === 'analysis.completed');
    const waived = EASY_POLICY.strata
      .filter(({ eventType }) => eventType !== 'analysis.completed')
      .map(({ eventType, consumer }) => ({
        ...{ eventType, consumer },
        waiver: { who: 'Rina', when: '2026-03-01', why: 'the test has none' },
      }));
    const judge = async (to: Position) => {
      const input = {
        ...{
          flagFile: file,
          to,
          reason: 'ten jobs',
          by: 'rina on worker-3',
          system,
          transport,
          now: Date.now,
        },
        policy: { ...EASY_POLICY, strata: [...completed, ...waived] },
        evidence: { kind: 'store', path: store } as const,
        ...{ verdictMaxAgeMs: 3_600_000, secondPerson: false },
      };
      const { checks } = judgeMove(await collectGateFacts(input));
      return checks.filter(({ ok }) => !ok).map(({ check, text }) => `${check}: ${text}`);
    };
    expect(await judge(LIVE)).toEqual([]);
    const { hash: at5 } = await move(LIVE);
    await eventually('the move is noted', () => flagsOf(store).length === 2);
    expect(flagsOf(store)).toEqual([hash, at5]);
    expect(await judge({ stage: 'live', percent: 25 })).toEqual([]);
    await move({ stage: 'live', percent: 100 });
    await eventually('the second move is noted', () => flagsOf(store).length === 3);
    expect(await judge({ stage: 'rampdown', percent: 1 })).toEqual([
      expect.stringMatching(
        /^verdict: .*run\.db was recorded, at least in part, while the flag was elsewhere/,
      ),
    ]);
  });

  it('leaves out events whose callbacks were not sent', { timeout: 60_000 }, async () => {
    const receiver = await startReceiver();
    const run = await startRun(broker, { receiver });
    await run.saved('everything is up', isUp);
    const transport = await opened(broker);
    const headers = { 'x-migration-callbacks': 'not-sent', 'x-migration-stage': 'complete' };
    const event = { ...makeJob(), eventType: 'analysis.completed', timestamp: new Date().toISOString() };
    await transport.publish({
      exchange: broker.exchange,
      routingKey: 'analysis.completed',
      body: Buffer.from(
        JSON.stringify({
          ...event,
          userEmail: 'budi@example.com',
          metadata: { assessmentName: 'AI-Driven Talent Mapping', processingTime: 1, retryCount: 0 },
        }),
      ),
      properties: { contentType: 'application/json', messageId: 'left-out', headers },
    });
    const { counts } = await run.saved('it is counted', ({ counts: { strata } }) =>
      strata.some(({ leftOut = 0 }) => leftOut > 0),
    );
    expect(counts.strata.map(({ leftOut = 0 }) => leftOut).reduce((sum, each) => sum + each)).toBe(2);
    expect(counts.totals).toMatchObject({ pending: 0, missingCallback: 0, extra: 0 });
  });
});

describeOnBothBrokers('shadow run', (broker) => {
  it('finds the flag by its option, else by the environment', {
    timeout: 90_000,
  }, async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'by-variable.json'), '1');
    writeFileSync(join(folder, 'by-option.json'), '2');
    const flagSeen = async (args: readonly string[], env: Record<string, string>) => {
      const store = join(temporaryFolder(), 'run.db');
      const receiver = await startReceiver();
      const options = { options: () => ({ env: { ...broker.options().env, ...env } }) };
      const run = await startRun(options, { receiver, store, args });
      await eventually('it has looked', () => flagsOf(store).length === 1);
      run.child.kill('SIGINT');
      await run.ended;
      return flagsOf(store)[0];
    };
    const env = { ATMA_EVENTS_FLAG_FILE: join(folder, 'by-variable.json') };
    const byVariable = await flagSeen([], env);
    const byOption = await flagSeen(['--flag-file', join(folder, 'by-option.json')], env);
    expect(byVariable).toMatch(/^[0-9a-f]{64}$/);
    expect(byOption).toMatch(/^[0-9a-f]{64}$/);
    expect(byOption).not.toBe(byVariable);
  });
});

function verdictOf({ env }: CommandBroker, store: string) {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, 'atma-events.config.json'), EASY);
  return runCli(['shadow', 'verdict', '--store', store, '--json'], { cwd, env });
}
