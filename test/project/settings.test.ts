import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseDuration } from '../../src/project/duration.js';
import { setPaths } from '../../src/project/set-paths.js';
import { resolveSettings } from '../../src/project/settings.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'atma-settings-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const json = {
  url: 'amqp://from-config',
  source: 'shop',
  timeout: '2s',
  events: [
    {
      type: 'order.paid',
      exchange: 'orders',
      schema: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
      sample: { id: 'x' },
    },
  ],
  topology: {
    exchanges: [{ name: 'orders', type: 'topic' }],
    queues: [{ name: 'mail', arguments: { 'x-max-length': 5 } }],
    bindings: [{ exchange: 'orders', queue: 'mail', keys: ['order.paid', 'order.*'] }],
  },
  profiles: { production: { url: 'amqp://production', managementUrl: 'http://production:15672' } },
};
const writeJson = (value: unknown) =>
  writeFileSync(join(folder, 'atma-events.config.json'), JSON.stringify(value));

describe('settings', () => {
  it('are ATMA on the embedded broker when nothing is said', async () => {
    const settings = await resolveSettings({}, {}, folder);
    expect(settings).toMatchObject({ url: 'embedded:', timeoutMs: 10_000, origin: 'preset atma' });
    expect(settings.system.topology.queues).toHaveLength(4);
  });

  it('take the plan’s variables', async () => {
    const settings = await resolveSettings(
      {},
      {
        RABBITMQ_URL: 'amqp://env',
        EVENTS_EXCHANGE_NAME: 'ex',
        EVENTS_QUEUE_NAME_NOTIFICATIONS: 'qn',
        EVENTS_QUEUE_NAME_ASSESSMENTS: 'qa',
      },
      folder,
    );
    expect(settings.url).toBe('amqp://env');
    expect(settings.system.topology.exchanges.map(({ name }) => name)).toEqual(['ex', 'ex_dlx']);
    expect(settings.system.topology.queues.map(({ name }) => name)).toEqual(['qn', 'qa', 'qn_dlq', 'qa_dlq']);
    expect(settings.system.catalog.get('analysis.failed').exchange).toBe('ex');
  });

  it('take a project’s own catalog and topology from JSON, with JSON Schema', async () => {
    writeJson(json);
    const { system, timeoutMs, source } = await resolveSettings({}, {}, folder);
    expect([timeoutMs, source]).toEqual([2000, 'shop']);
    expect(system.catalog.get('order.paid').schema.safeParse({}).success).toBe(false);
    expect(system.catalog.get('order.paid').schema.safeParse({ id: 'a' }).success).toBe(true);
    expect(system.topology.bindings).toEqual([
      { exchange: 'orders', queue: 'mail', key: 'order.paid' },
      { exchange: 'orders', queue: 'mail', key: 'order.*' },
    ]);
  });

  it.each(['ts', 'mjs'])('take a config in %s', async (extension) => {
    const source =
      extension === 'ts'
        ? "import { defineConfig } from 'atma-events';\nconst url: string = 'amqp://typed';\nexport default defineConfig({ url });\n"
        : "export default { url: 'amqp://typed' };\n";
    writeFileSync(join(folder, `atma-events.config.${extension}`), source);
    expect((await resolveSettings({}, {}, folder)).url).toBe('amqp://typed');
  });

  it('put options before a named profile, that before the environment, that before the config', async () => {
    writeJson(json);
    const environment = { RABBITMQ_URL: 'amqp://env' };
    const url = async (input: Parameters<typeof resolveSettings>[0], env: Record<string, string>) =>
      (await resolveSettings(input, env, folder)).url;
    expect(await url({ url: 'amqp://option', profile: 'production' }, environment)).toBe('amqp://option');
    expect(await url({ profile: 'production' }, environment)).toBe('amqp://production');
    expect(await url({}, environment)).toBe('amqp://env');
    expect(await url({}, {})).toBe('amqp://from-config');
  });

  it('never fall back from a profile to a variable that somebody forgot', async () => {
    writeJson({ ...json, profiles: { ...json.profiles, empty: { timeout: '1s' } } });
    const environment = {
      RABBITMQ_URL: 'amqp://forgotten',
      RABBITMQ_MANAGEMENT_URL: 'http://forgotten:15672',
    };
    await expect(resolveSettings({ profile: 'empty' }, environment, folder)).rejects.toMatchObject({
      code: 'config-invalid',
    });
    const named = await resolveSettings({}, { ...environment, ATMA_EVENTS_PROFILE: 'production' }, folder);
    expect(named).toMatchObject({ url: 'amqp://production', managementUrl: 'http://production:15672' });
  });

  it('take a config with a topology alone as the whole system, and an empty variable as unset', async () => {
    writeJson({ topology: json.topology });
    const { system } = await resolveSettings({}, { ATMA_EVENTS_PRESET: '' }, folder);
    expect(system.topology.queues.map(({ name }) => name)).toEqual(['mail']);
    expect(system.catalog.definitions).toEqual([]);
  });

  it('know the dead-letter queues of others, from the preset and from the config together', async () => {
    expect((await resolveSettings({}, {}, folder)).system.deadLetterQueues).toEqual([
      'assessment_analysis_dlq',
    ]);
    writeJson({ deadLetterQueues: ['billing_dlq', 'assessment_analysis_dlq'] });
    const { system, origin } = await resolveSettings({}, {}, folder);
    expect(system.deadLetterQueues).toEqual(['assessment_analysis_dlq', 'billing_dlq']);
    expect(origin).toBe('preset atma');
    writeJson({ topology: json.topology, deadLetterQueues: ['billing_dlq'] });
    expect((await resolveSettings({}, {}, folder)).system.deadLetterQueues).toEqual(['billing_dlq']);
  });

  it('take the mapping of shadow mode from the config, else from the preset', async () => {
    expect((await resolveSettings({}, {}, folder)).system.shadow?.legs).toHaveLength(6);
    const leg = { eventType: 'mail.sent', consumer: 'mail', queue: 'mail', event: { job: ['id'] } };
    writeJson({ shadow: { legs: [leg] } });
    expect((await resolveSettings({}, {}, folder)).system.shadow?.legs).toMatchObject([leg]);
    writeJson({ topology: json.topology, shadow: { legs: [leg] } });
    expect((await resolveSettings({}, {}, folder)).system.shadow?.legs).toMatchObject([leg]);
    writeJson({ topology: json.topology });
    expect((await resolveSettings({}, {}, folder)).system.shadow).toBeUndefined();
  });

  it.each([
    [{ deadLetterQueues: ['a', ''] }, 'deadLetterQueues.1'],
    [
      { shadow: { legs: [{ eventType: 'a.b', consumer: 'c', queue: 'q', event: {} }] } },
      'shadow.legs.0.event.job',
    ],
    [{ events: [{ ...json.events[0], wire: 'flatt' }] }, 'events.0.wire'],
    [{ events: [{ ...json.events[0], version: 'two' }] }, 'events.0.version'],
    [{ timeout: 'soon' }, 'timeout'],
    [{ preset: 'atma', events: json.events }, ''],
  ])('name the field of a config that is wrong: %#', async (config, path) => {
    writeJson(config);
    await expect(resolveSettings({}, {}, folder)).rejects.toMatchObject({
      code: 'config-invalid',
      issues: [{ path }],
    });
  });

  it.each([
    [
      {
        topology: {
          queues: [{ name: 'q' }],
          exchanges: [{ name: 'orders', type: 'topic' }],
          bindings: [{ exchange: 'order', queue: 'q', key: '#' }],
        },
        events: [],
      },
      'config-invalid',
      'Did you mean "orders"?',
    ],
    [{ events: [{ type: 'nodots', exchange: 'e', schema: {} }] }, 'config-invalid', 'domain.action'],
    [{ urll: 'x' }, 'config-invalid', 'config file'],
  ])('refuse a wrong config and say what to do: %#', async (config, code, hint) => {
    writeJson(config);
    await expect(resolveSettings({}, {}, folder)).rejects.toMatchObject({
      code,
      hint: expect.stringContaining(hint),
    });
  });

  it('refuse an unknown profile or preset by naming the known ones', async () => {
    writeJson(json);
    await expect(resolveSettings({ profile: 'prod' }, {}, folder)).rejects.toMatchObject({
      code: 'usage',
      hint: 'Profiles: production.',
    });
    await expect(resolveSettings({ preset: 'atmo' }, {}, folder)).rejects.toMatchObject({
      hint: 'Did you mean "atma"?',
    });
  });
});

describe('the migration flag', () => {
  const flagOf = async (config: object | undefined, environment: Record<string, string>) => {
    if (config !== undefined) writeJson(config);
    return (await resolveSettings({}, environment, folder)).flag;
  };

  it('is in a file of this folder, needs one person, a verdict of an hour at most, and samples 10 %', async () => {
    expect(await flagOf(undefined, {})).toEqual({
      file: join(folder, '.atma-events/flags.json'),
      named: false,
      secondPerson: false,
      verdictMaxAgeMs: 3_600_000,
      samplePercent: 10,
    });
  });

  it('is told by the config, its file from the config\u2019s folder, and by a variable before that', async () => {
    const flag = { file: 'shared/f.json', secondPerson: true, verdictMaxAge: '30m', sample: 0 };
    writeJson({ flag });
    const below = join(folder, 'service');
    expect((await resolveSettings({}, {}, below)).flag).toEqual({
      file: join(folder, 'shared/f.json'),
      named: true,
      secondPerson: true,
      verdictMaxAgeMs: 1_800_000,
      samplePercent: 0,
    });
    const byVariable = (await resolveSettings({}, { ATMA_EVENTS_FLAG_FILE: 'mine.json' }, below)).flag;
    expect(byVariable).toMatchObject({ file: join(below, 'mine.json'), named: true });
    expect((await flagOf({ flag }, { ATMA_EVENTS_FLAG_FILE: '' })).file).toBe(join(folder, 'shared/f.json'));
  });

  it.each([
    [{ verdictMaxAge: 'old' }, 'flag.verdictMaxAge'],
    [{ sample: 101 }, 'flag.sample'],
    [{ sample: 1.5 }, 'flag.sample'],
    [{ file: '' }, 'flag.file'],
    [{ stage: 'live' }, 'flag'],
  ])('that cannot be configured so is refused: %j', async (flag, path) => {
    await expect(flagOf({ flag }, {})).rejects.toMatchObject({ code: 'config-invalid', issues: [{ path }] });
  });
});

describe('a duration', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['1h30m', 5_400_000],
    ['2', 2000],
    ['1.5s', 1500],
  ])('%s is %i ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(['', 'soon', '5 s', '-1s', '10x'])('"%s" is none', (text) => {
    expect(() => parseDuration(text)).toThrow('not a duration');
  });
});

describe('--set', () => {
  const fill = (text: string) => text;

  it('sets nested fields as JSON or text and leaves the base alone', () => {
    const base = { a: { b: 1 }, list: [{ x: 1 }] };
    expect(setPaths(base, ['a.b=2', 'a.c=text', 'list.0.x=null', 'n.m=[1]'], fill)).toEqual({
      a: { b: 2, c: 'text' },
      list: [{ x: null }],
      n: { m: [1] },
    });
    expect(base).toEqual({ a: { b: 1 }, list: [{ x: 1 }] });
  });

  it.each(['noequals', '=x', '__proto__.polluted=1', 'a..b=1'])('refuses %s', (assignment) => {
    expect(() => setPaths({}, [assignment], fill)).toThrow();
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('shadowPolicy', () => {
  it('has its budget as a duration, and one of a minute where nobody gives one', async () => {
    expect((await resolveSettings({}, {}, folder)).shadowPolicy).toEqual({ strata: [], budgetMs: 60_000 });
    const stratum = { eventType: 'analysis.failed', consumer: 'notification', tolerated: 0.01 };
    writeJson({ preset: 'atma', shadowPolicy: { budget: '1m30s', strata: [stratum] } });
    const { shadowPolicy, origin } = await resolveSettings({}, {}, folder);
    expect(shadowPolicy).toEqual({ budgetMs: 90_000, strata: [stratum] });
    expect(origin).toBe('preset atma');
    writeJson({ shadowPolicy: {} });
    expect((await resolveSettings({}, {}, folder)).shadowPolicy).toEqual({ strata: [], budgetMs: 60_000 });
  });

  it.each([
    [{ budget: 'soon' }, 'expected a duration such as "5s"'],
    [{ strata: [{ eventType: 'a', consumer: 'b', tolerated: 0 }] }, 'shadowPolicy.strata.0.tolerated'],
    [{ strata: [{ eventType: 'a', consumer: 'b', tolerated: 1 }] }, 'shadowPolicy.strata.0.tolerated'],
    [
      { strata: [{ eventType: 'a', consumer: 'b', waiver: { who: 'R', why: 'x' } }] },
      'shadowPolicy.strata.0.waiver.when',
    ],
    [
      { strata: [{ eventType: 'a', consumer: 'b', waiver: { who: 'R', when: 'then', why: 'x' } }] },
      'expected a day such as "2024-03-01"',
    ],
    [
      {
        strata: [
          { eventType: 'a', consumer: 'b' },
          { eventType: 'a', consumer: 'b' },
        ],
      },
      'stands there twice',
    ],
    [{ window: '1m' }, 'window'],
  ])('that cannot be used is refused: %j', async (shadowPolicy, problem) => {
    writeJson({ shadowPolicy });
    const error = await resolveSettings({}, {}, folder).then(
      () => undefined,
      (reason: { code: string; issues: { path: string; message: string }[] }) => reason,
    );
    expect(error?.code).toBe('config-invalid');
    expect(JSON.stringify(error?.issues)).toContain(problem.replaceAll('"', '\\"'));
  });
});
