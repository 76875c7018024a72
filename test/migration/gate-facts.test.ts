/** The facts of the gate, from a real flag file and its trail, a stored run, and both brokers. */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, test } from 'vitest';
import type { Position, Stage } from '../../src/core/migration/stage.js';
import { bind, queue } from '../../src/core/topology/model.js';
import type { Transport } from '../../src/core/transport.js';
import { recordProposal } from '../../src/migration/audit.js';
import { readFlagFile } from '../../src/migration/flag-file.js';
import { moveFlag } from '../../src/migration/flip.js';
import { judgeMove } from '../../src/migration/gate.js';
import { collectGateFacts, type GateInput } from '../../src/migration/gate-facts.js';
import { atma } from '../../src/presets/atma.js';
import { createTransport } from '../../src/transports/index.js';
import { sharedRabbit } from '../brokers/shared.js';
import { describeOnBothBrokers } from '../commands/brokers.js';
import { temporaryFolder } from '../commands/cli.js';
import { storedRun } from '../commands/shadow-stores.js';
import { SHADOW } from '../shadow/scene.js';
import { EASY_POLICY } from './gate-scene.js';

const at = (stage: Stage, percent = 100): Position => ({ stage, percent });
const LIVE = at('live', 5);

/** A flag that stands there, and its hash. */
async function flagAt(...steps: readonly Position[]) {
  const flagFile = join(temporaryFolder(), 'flags.json');
  for (const to of steps) await move(flagFile, to);
  return { flagFile, hash: readFlagFile(flagFile).hash };
}

function move(flagFile: string, to: Position) {
  return moveFlag({
    file: flagFile,
    to,
    expected: readFlagFile(flagFile).hash,
    by: 'rina on worker-3',
    reason: 'test',
    forced: false,
    evidence: null,
    now: Date.now,
  });
}

const UP_TO_SHADOW = [at('publish'), at('shadow')];

/** Nobody may ask it. */
const NO_BROKER: GateInput['transport'] = {
  survey: () => Promise.reject(new Error('asked')),
  counts: () => Promise.reject(new Error('asked')),
};

function inputOf(flagFile: string, more: Partial<GateInput>): GateInput {
  return {
    flagFile,
    to: LIVE,
    reason: 'a week SAFE',
    by: 'rina on worker-3',
    evidence: { kind: 'store', path: '/nowhere/shadow.db' },
    policy: EASY_POLICY,
    system: { ...atma.build({}), shadow: SHADOW },
    transport: NO_BROKER,
    verdictMaxAgeMs: 3_600_000,
    secondPerson: false,
    now: Date.now,
    ...more,
  };
}

async function failed(input: GateInput): Promise<Record<string, string>> {
  const { checks } = judgeMove(await collectGateFacts(input));
  return Object.fromEntries(checks.filter(({ ok }) => !ok).map(({ check, text }) => [check, text]));
}

describeOnBothBrokers('the gate', (broker) => {
  let transport: Transport;
  let input: GateInput;

  beforeEach(async () => {
    await broker.clean();
    const options = broker.name === 'amqp' ? { managementUrl: (await sharedRabbit()).managementUrl } : {};
    transport = await createTransport(broker.url(), options);
    const { catalog, topology } = atma.build(broker.env);
    await transport.apply(topology);
    const { flagFile, hash } = await flagAt(...UP_TO_SHADOW);
    const { path } = storedRun({ how: 'goesOn', flags: [hash] });
    input = inputOf(flagFile, {
      transport,
      system: { catalog, topology, shadow: SHADOW },
      evidence: { kind: 'store', path },
    });
  });
  afterEach(() => transport.close());

  const consume = async (...queues: readonly string[]) => {
    for (const each of queues) await transport.consume(each, {}, (delivery) => void delivery.ack());
  };
  const bury = (queueName: string) =>
    transport.publish({
      exchange: '',
      routingKey: queueName,
      body: Buffer.from('{}'),
      properties: { messageId: 'dead' },
    });

  it('is open where the run is SAFE, nothing is dead, and everybody consumes', async () => {
    await consume(broker.notifications, broker.assessments);
    const facts = await collectGateFacts(input);
    expect(judgeMove(facts)).toMatchObject({ to: LIVE, open: true });
    expect(facts.queues).toEqual({
      known: true,
      value: {
        bound: [broker.notifications, broker.assessments]
          .toSorted()
          .map((each) => ({ queue: each, exists: true, consumers: 1, ready: 0 })),
        deadLetters: [`${broker.notifications}_dlq`, `${broker.assessments}_dlq`]
          .toSorted()
          .map((each) => ({ queue: each, messages: 0 })),
      },
    });
    expect(facts.file).toBe(readFlagFile(input.flagFile).hash);
  });

  it('sees dead letters, and queues that nobody consumes', async () => {
    await consume(broker.assessments);
    await bury(`${broker.notifications}_dlq`);
    await bury(`${broker.notifications}_dlq`);
    await bury(broker.notifications);
    const texts = await failed(input);
    expect(Object.keys(texts)).toEqual(['dead-letters', 'consumers']);
    expect(texts['dead-letters']).toContain(`2 in ${broker.notifications}_dlq`);
    expect(texts.consumers).toContain(`Nobody consumes ${broker.notifications} (1 waiting)`);
    const explained = await failed({ ...input, deadLettersExplained: 'of March' });
    expect(Object.keys(explained)).toEqual(['consumers']);
  });

  it('sees a queue that only the broker knows of, and no tap', async () => {
    await consume(broker.notifications, broker.assessments);
    const stranger = `stranger_${broker.exchange}`;
    onTestFinished(async () => {
      const own = await broker.open();
      await own.remove({ queues: [stranger] });
      await own.close();
    });
    await transport.apply({
      exchanges: [],
      queues: [queue(stranger)],
      bindings: bind(broker.exchange, stranger, 'analysis.completed'),
    });
    const tap = { bindings: [{ exchange: broker.exchange, key: '#' }] };
    await transport.tap(tap, { onMessage: () => {}, onGap: () => {} });
    expect((await failed(input)).consumers).toContain(`Nobody consumes ${stranger}.`);
  });

  it('misses a queue that the topology wants', async () => {
    await transport.remove({ queues: [broker.notifications] });
    await consume(broker.assessments);
    expect((await failed(input)).consumers).toMatch(`Not there: ${broker.notifications}. Create`);
  });

  it('finds the dead letters of a queue that has no dead-letter exchange', async () => {
    const own = `${broker.exchange}_plain`;
    await transport.apply({
      exchanges: [],
      queues: [queue(own), queue(`${own}_dlq`)],
      bindings: bind(broker.exchange, own, '#'),
    });
    onTestFinished(async () => {
      const other = await broker.open();
      await other.remove({ queues: [own, `${own}_dlq`] });
      await other.close();
    });
    await consume(own, broker.notifications, broker.assessments);
    await bury(`${own}_dlq`);
    expect(await failed(input)).toEqual({ 'dead-letters': expect.stringContaining(`1 in ${own}_dlq`) });
  });
});

describe('without a broker, the gate', () => {
  it('says that it cannot know, and still tells the rest', async () => {
    const { flagFile, hash } = await flagAt(...UP_TO_SHADOW);
    const { path } = storedRun({ how: 'goesOn', flags: [hash] });
    const transport = await createTransport('amqp://127.0.0.1:1', { startTimeoutMs: 300 });
    onTestFinished(() => transport.close());
    const texts = await failed(inputOf(flagFile, { transport, evidence: { kind: 'store', path } }));
    expect(Object.keys(texts)).toEqual(['dead-letters', 'consumers']);
    for (const text of Object.values(texts)) expect(text).toMatch(/cannot be known: .*127\.0\.0\.1:1/);
  });

  test.each([
    ['forward to publish', [], at('publish')],
    ['forward to shadow', [at('publish')], at('shadow')],
    ['back', [...UP_TO_SHADOW, LIVE], at('shadow')],
    ['back to off', [...UP_TO_SHADOW, LIVE], at('off')],
    ['nowhere', [...UP_TO_SHADOW, LIVE], LIVE],
  ])('asks nobody for a move %s', async (_, steps, to) => {
    const { flagFile } = await flagAt(...steps);
    const gate = judgeMove(await collectGateFacts(inputOf(flagFile, { to })));
    expect(gate.open).toBe(true);
  });
});

describe('about the run, the gate', () => {
  const verdict = async (flagFile: string, more: Partial<GateInput>) =>
    (await failed(inputOf(flagFile, { transport: UNREACHABLE, ...more }))).verdict;
  const store = (path: string) => ({ evidence: { kind: 'store', path } as const });

  it('says what is missing, and what to do', async () => {
    const { flagFile } = await flagAt(...UP_TO_SHADOW);
    expect(await verdict(flagFile, {})).toMatch(
      /^The verdict cannot be known: There is no shadow run at \/nowhere\/shadow\.db\. shadow run records one/,
    );
    const { catalog, topology } = atma.build({});
    expect(await verdict(flagFile, { system: { catalog, topology } })).toMatch(/Add a mapping/);
  });

  it('wants one of the present mapping', async () => {
    const { flagFile, hash } = await flagAt(...UP_TO_SHADOW);
    const { path } = storedRun({ how: 'goesOn', flags: [hash] });
    const { catalog, topology } = atma.build({});
    const shadow = { ...SHADOW, redact: [] };
    expect(await verdict(flagFile, store(path))).toBeUndefined();
    expect(await verdict(flagFile, { ...store(path), system: { catalog, topology, shadow } })).toMatch(
      /another mapping/,
    );
  });

  it('lets one run carry a stage through its percentages, and none into the next stage', async () => {
    const { flagFile, hash } = await flagAt(...UP_TO_SHADOW);
    const first = storedRun({ how: 'ended', flags: [hash] });
    const { hash: at5 } = await move(flagFile, LIVE);
    const grown = { to: at('live', 25), ...store(first.path) };
    expect(await verdict(flagFile, grown)).toBeUndefined();
    const on = storedRun({ how: 'goesOn', flags: [hash, at5] });
    expect(await verdict(flagFile, { ...grown, ...store(on.path) })).toBeUndefined();
    const { hash: full } = await move(flagFile, at('live'));
    const whole = storedRun({ how: 'goesOn', flags: [hash, at5, full] });
    const next = { to: at('rampdown', 1), ...store(whole.path) };
    expect(await verdict(flagFile, next)).toMatch(/while the flag was elsewhere/);
    const anew = storedRun({ how: 'goesOn', flags: [full] });
    expect(await verdict(flagFile, { ...next, ...store(anew.path) })).toBeUndefined();
  });

  it('does not take a run from before the flag went back', async () => {
    const { flagFile, hash } = await flagAt(...UP_TO_SHADOW);
    const { path } = storedRun({ how: 'goesOn', flags: [hash] });
    await move(flagFile, LIVE);
    await move(flagFile, at('shadow'));
    expect(await verdict(flagFile, store(path))).toMatch(/while the flag was elsewhere/);
    await move(flagFile, LIVE);
    expect(await verdict(flagFile, { to: at('live', 25), ...store(path) })).toMatch(/elsewhere/);
  });

  it('does not take a run of another flag file, or of none', async () => {
    const { flagFile } = await flagAt(...UP_TO_SHADOW);
    const other = await flagAt(...UP_TO_SHADOW);
    for (const flags of [[other.hash], [null], []]) {
      const { path } = storedRun({ how: 'goesOn', flags });
      expect(await verdict(flagFile, store(path))).toMatch(/Start a new run: .* --flag-file /);
    }
  });
});

const UNREACHABLE: GateInput['transport'] = {
  survey: () => Promise.resolve({ state: 'unknown', reason: 'nobody was asked' }),
  counts: () => Promise.resolve({ ready: 0, consumers: 1 }),
};

describe('with two people, the gate', () => {
  it('opens for the second one', async () => {
    const { flagFile, hash } = await flagAt(...UP_TO_SHADOW);
    const { path } = storedRun({ how: 'goesOn', flags: [hash] });
    const input = inputOf(flagFile, {
      transport: UNREACHABLE,
      secondPerson: true,
      evidence: { kind: 'store', path },
    });
    const by = (name: string) => failed({ ...input, by: name });
    expect((await by('rina on worker-3'))['second-person']).toMatch(/nobody else has proposed/);
    const proposal = { file: flagFile, to: LIVE, expected: hash, by: 'rina on worker-3', reason: 'SAFE' };
    recordProposal({ ...proposal, now: Date.now });
    expect((await by('rina on laptop'))['second-person']).toMatch(/Only you have proposed/);
    expect(await by('budi on laptop')).toEqual({});
    expect(Object.keys(await failed({ ...input, by: 'budi on laptop', to: at('live', 6) }))).toEqual([
      'second-person',
    ]);
  });

  it('lets a rollout go on that was agreed to at its first step', async () => {
    const { flagFile, hash } = await flagAt(...UP_TO_SHADOW);
    const { path } = storedRun({ how: 'goesOn', flags: [hash] });
    const rollout = 'live 5,25 every 1800 s';
    const common = { file: flagFile, to: LIVE, expected: hash, reason: 'SAFE', rollout, now: Date.now };
    recordProposal({ ...common, by: 'budi on laptop' });
    await moveFlag({ ...common, by: 'rina on worker-3', forced: false, evidence: null });
    const input = inputOf(flagFile, {
      to: at('live', 25),
      transport: UNREACHABLE,
      secondPerson: true,
      evidence: { kind: 'store', path },
    });
    expect(await failed({ ...input, rollout })).toEqual({});
    expect(Object.keys(await failed(input))).toEqual(['second-person']);
    expect(Object.keys(await failed({ ...input, rollout: 'live 5,100 every 1 s' }))).toEqual([
      'second-person',
    ]);
  });
});
