/** compose.yaml, Dockerfile and .env.example fit each other, the services and the migration plan. Docker is not needed. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { atma } from '../src/presets/atma.js';
import { readCompose, readEnvExample, root, textOf, variablesIn } from './compose-file.js';

const compose = readCompose();
const services = Object.entries(compose.services);
const ours = services.filter(([, { build }]) => build !== undefined);
const example = readEnvExample();
const dockerfile = textOf('Dockerfile');

describe('compose.yaml', () => {
  it('has RabbitMQ, the three services, the proxy and the command line', () => {
    expect(Object.keys(compose.services)).toEqual([
      'rabbitmq',
      'analysis-worker',
      'notification-service',
      'assessment-service',
      'shadow',
      'cli',
    ]);
  });

  it('begins with what always runs: the proxy and the command line are asked for', () => {
    const asked = services.filter(([, { profiles }]) => profiles !== undefined).map(([name]) => name);
    expect(asked).toEqual(['shadow', 'cli']);
  });

  it('starts what needs another service once that one says that it is well', () => {
    const needs = services.map(([name, { depends_on }]) => [name, ...Object.keys(depends_on)]);
    expect(needs.slice(0, 2)).toEqual([['rabbitmq'], ['analysis-worker', 'rabbitmq']]);
    for (const name of needs.flatMap(([, ...others]) => others)) {
      expect(compose.services[name]?.healthcheck).toBeDefined();
    }
  });

  it('knows of everything that stays up whether it is well', () => {
    const up = services.filter(([name]) => name !== 'cli');
    expect(up.filter(([, { healthcheck }]) => healthcheck === undefined)).toEqual([]);
  });

  it('keeps what must survive in named volumes, each of them used, and the flag where only the command line writes', () => {
    const mounts = services.flatMap(([name, { volumes }]) =>
      volumes.map((mount) => [name, ...mount.split(':')]),
    );
    expect(new Set(mounts.map(([, volume]) => volume))).toEqual(new Set(Object.keys(compose.volumes)));
    const writers = mounts.filter(([, volume, , mode]) => volume === 'flag' && mode !== 'ro');
    expect(writers.map(([name]) => name)).toEqual(['cli']);
    // Each process has its outbox and its idempotency store to itself.
    const data = mounts
      .filter(([, , path]) => path === '/data')
      .map(([name, volume]) => `${name}: ${volume}`);
    expect(data).toEqual([
      'analysis-worker: worker-data',
      'notification-service: notification-data',
      'assessment-service: assessment-data',
      'shadow: operator-data',
      'cli: operator-data',
    ]);
  });

  it('opens ports to this machine only', () => {
    const ports = services.flatMap(([, each]) => each.ports);
    expect(ports.length).toBeGreaterThan(0);
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  });

  it('takes the defaults of .env.example, and requires what is left empty there', () => {
    const used = variablesIn(textOf('compose.yaml'));
    expect(used.length).toBeGreaterThan(10);
    for (const { name, default: value, required } of used) {
      expect(example.names).toContain(name);
      if (required === undefined) expect([name, value]).toEqual([name, example.set[name] ?? '']);
      else expect([name, example.set[name], required]).toEqual([name, '', `Set ${name} in .env`]);
    }
  });

  it('does not start as .env.example is, and says what is missing', () => {
    expect(() => readCompose(example.set)).toThrow(
      /^RABBITMQ_DEFAULT_PASS: Set RABBITMQ_DEFAULT_PASS in \.env$/,
    );
    const half = { ...example.set, RABBITMQ_DEFAULT_PASS: 'a1b2' };
    expect(() => readCompose(half)).toThrow(/^INTERNAL_SERVICE_KEY: Set INTERNAL_SERVICE_KEY in \.env$/);
  });

  it('gives the service key to those that send and check it, and to nobody else', () => {
    const has = ours.filter(([, { environment }]) => 'INTERNAL_SERVICE_KEY' in environment);
    expect(has.map(([name]) => name)).toEqual([
      'analysis-worker',
      'notification-service',
      'assessment-service',
    ]);
  });

  it.each(['analysis-worker', 'notification-service', 'assessment-service'])(
    'gives %s every variable that it lists',
    (name) => {
      const source = textOf(`examples/atma/${name}/main.mjs`);
      const listed = [...source.matchAll(/^ {2}([A-Z][A-Z0-9_]+):/gm)].map(([, variable]) => variable);
      expect(listed.length).toBeGreaterThan(3);
      const given = Object.keys(compose.services[name]?.environment ?? {});
      // A spool is read where it is written, by a shadow run on the same machine.
      const missing = listed.filter((each) => !given.includes(each ?? '') && each !== 'DELIVERY_REPORT_FILE');
      expect(missing).toEqual([]);
    },
  );

  it.each(ours)('%s starts with a program that the image has', (_, { command = [] }) => {
    const [program, path = ''] = command;
    if (program === 'atma-events') return expect(dockerfile).toContain('/usr/local/bin/atma-events');
    expect(program).toBe('node');
    const inClone = path.replace(/^\/app\//, '');
    expect(inClone).not.toBe(path);
    expect(existsSync(join(root, inClone))).toBe(true);
    expect(copiedToImage().some((copied) => inClone.startsWith(copied))).toBe(true);
  });
});

/** What each COPY takes from the clone, by stage. */
function copies(): string[][] {
  return dockerfile
    .split(/^FROM /m)
    .slice(1)
    .map((stage) =>
      [...stage.matchAll(/^COPY (?!--from)(.+)$/gm)].flatMap(([, words = '']) =>
        words.split(' ').slice(0, -1),
      ),
    );
}

const copiedToImage = () => copies().at(-1) ?? [];

describe('the Dockerfile', () => {
  it('copies what is there, and what .dockerignore lets through', () => {
    const [first, ...exceptions] = textOf('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(first).toBe('*');
    const through = exceptions.map((line) => line.replace(/^!/, ''));
    const copied = copies().flat();
    expect(copied.length).toBeGreaterThan(5);
    for (const path of copied) {
      expect(existsSync(join(root, path)), path).toBe(true);
      const clean = path.replace(/\/$/, '');
      expect(
        through.some((each) => clean === each || clean.startsWith(`${each}/`)),
        path,
      ).toBe(true);
    }
    // Nothing is let through that nobody copies: a secret could be in it.
    expect(through.filter((each) => !copied.some((path) => path.startsWith(each)))).toEqual([]);
  });

  it('has the command line whole: what package.json names, and what the build makes', () => {
    const { bin } = JSON.parse(textOf('package.json'));
    expect(dockerfile).toContain(`/app/${bin['atma-events']} /usr/local/bin/atma-events`);
    expect(copiedToImage()).toEqual(expect.arrayContaining(['package.json', 'bin/']));
    expect(dockerfile).toContain('COPY --from=build /app/dist/ dist/');
  });

  it('has a Node with SQLite in it, the same in both stages, and does not run as root', () => {
    const images = [...dockerfile.matchAll(/^FROM node:(\d+)-bookworm-slim/gm)].map(([, major]) => major);
    expect(images).toHaveLength(2);
    expect(new Set(images).size).toBe(1);
    expect(Number(images[0])).toBeGreaterThanOrEqual(24);
    expect([...dockerfile.matchAll(/^USER (.+)$/gm)].at(-1)?.[1]).toBe('node');
  });
});

/** Set for other programs, too, or by the tests of broken builds only. */
const NOT_OURS = [
  'HOME',
  'LOCALAPPDATA',
  'XDG_STATE_HOME',
  'EDITOR',
  'VISUAL',
  'TERM',
  'NO_COLOR',
  'FORCE_COLOR',
];
const NOT_FOR_ENV = [...NOT_OURS, 'USER', 'USERNAME', 'SUDO_USER', 'ATMA_BREAK'];

function sourcesIn(folder: string, ending: string): string {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(ending))
    .map((path) => textOf(join(folder, path)))
    .join('\n');
}

/** Variables that the core and the command line read, and those that the services list with their schema. */
function variablesRead(): Set<string> {
  const src = sourcesIn('src', '.ts');
  const read = [...src.matchAll(/\b(?:environment|env)\.([A-Z][A-Z0-9_]+)\b/g)].map(([, name]) => name);
  const taken = [...src.matchAll(/\{ ([A-Z][^}]*)\} = (?:\w+\.)*environment\b/g)].flatMap(([, names = '']) =>
    [...names.matchAll(/\b[A-Z][A-Z0-9_]+\b/g)].map(([name]) => name),
  );
  const listed = [...sourcesIn('examples/atma', '.mjs').matchAll(/^ {2}([A-Z][A-Z0-9_]+):/gm)].map(
    ([, name]) => name,
  );
  const names = [...read, ...taken, ...listed].flatMap((name) => (name === undefined ? [] : [name]));
  return new Set(names.filter((name) => !NOT_FOR_ENV.includes(name)));
}

describe('.env.example', () => {
  it('has the variables of the migration plan, with its values', () => {
    expect(example.set).toMatchObject({
      RABBITMQ_URL: 'amqp://localhost:5672',
      EVENTS_EXCHANGE_NAME: 'atma_events_exchange',
      EVENTS_QUEUE_NAME_NOTIFICATIONS: 'analysis_events_notifications',
      EVENTS_QUEUE_NAME_ASSESSMENTS: 'analysis_events_assessments',
      USE_EVENT_DRIVEN: 'false',
    });
  });

  it('has every variable that the core, the command line and the services read', () => {
    const read = variablesRead();
    // Found in each of the ways in which they are read.
    expect(read).toContain('INTERNAL_SERVICE_KEY');
    expect(read).toContain('ATMA_EVENTS_USER');
    expect(read).toContain('JOBS_CONCURRENCY');
    expect([...read].filter((name) => !example.names.includes(name))).toEqual([]);
  });

  it('has none that nobody reads, and none twice', () => {
    const read = variablesRead();
    for (const { name } of variablesIn(textOf('compose.yaml'))) read.add(name);
    // Read by a name that is made: <NAME>_SERVICE_URL of each callback's service, and a constant.
    for (const { service } of atma.build({}).callbacks ?? [])
      read.add(`${service.toUpperCase()}_SERVICE_URL`);
    read.add('ATMA_EVENTS_FLAG_FILE');
    expect(example.names.filter((name) => !read.has(name))).toEqual([]);
    expect(new Set(example.names).size).toBe(example.names.length);
  });

  it('has the defaults of the preset', () => {
    expect(atma.build(example.set).topology).toEqual(atma.build({}).topology);
  });

  it('has no secret', () => {
    const secret = example.names.filter((name) => /KEY|PASS|SECRET|TOKEN/.test(name));
    expect(secret).toEqual(['INTERNAL_SERVICE_KEY', 'RABBITMQ_DEFAULT_PASS']);
    for (const name of secret) expect(example.set[name]).toBe('');
    expect(textOf('.env.example')).not.toMatch(/:\/\/[^/\s]*@/);
    expect(textOf('.gitignore').split('\n')).toContain('.env');
  });

  it('says of each variable what it is, above it', () => {
    const lines = textOf('.env.example').split('\n');
    const isVariable = (line: string) => /^(# )?[A-Z][A-Z0-9_]*=/.test(line);
    const unexplained = lines.filter((line, index) => {
      if (!isVariable(line)) return false;
      let above = index - 1;
      while (isVariable(lines[above] ?? '')) above -= 1;
      return !/^# \S/.test(lines[above] ?? '');
    });
    expect(unexplained).toEqual([]);
  });
});
