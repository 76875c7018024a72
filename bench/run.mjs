// `npm run bench`: measures what the README and docs/performance.md claim, ours and rival side by side in one
// run, and exits 4 when a goal is missed. Options: --quick, --only NAME, --json, and --minutes N with --only services. Needs
// RabbitMQ (a private, throwaway node is started) and an up-to-date dist.
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createJiti } from 'jiti';
import { howToInstall } from '../scripts/brokers.mjs';
import { measureFlag } from './flag.mjs';
import { measureIdle } from './idle.mjs';
import { measureLatency } from './latency.mjs';
import { describeMachine, requireDisk, versionsHere } from './machine.mjs';
import { measureMillion } from './million.mjs';
import { measureOutbox } from './outbox.mjs';
import { measureProxy } from './proxy.mjs';
import { measureRates } from './rates.mjs';
import { measureReplay } from './replay.mjs';
import { isMet, renderTable, toJson } from './report.mjs';
import { measureServices } from './services.mjs';
import { measureShadow, measureShadowLarge } from './shadow-compare.mjs';
import { measureStart } from './start.mjs';

const EXIT = { done: 0, failed: 1, usage: 2, missed: 4, interrupted: 130 };

/** Load average from which on the figures are not worth quoting. */
const BUSY = 0.7;

/** In the order in which they run and print. */
const BENCHES = {
  publish: (context) => measureRates(context, 'publish'),
  consume: (context) => measureRates(context, 'consume'),
  latency: measureLatency,
  idle: measureIdle,
  start: measureStart,
  million: measureMillion,
  replay: measureReplay,
  proxy: measureProxy,
  outbox: measureOutbox,
  shadow: measureShadow,
  flag: measureFlag,
};

/** Only by name: what needs more disk and time than a whole run should. */
const LARGE = { 'shadow-large': measureShadowLarge, services: measureServices };

const releases = [];
const defer = (release) => releases.push(release);
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    interrupted = true;
    releaseAll().finally(() => process.exit(EXIT.interrupted));
  });
}
process.exitCode = await bench().catch((error) => {
  if (interrupted) return EXIT.interrupted; // the sides were stopped under it
  console.error(error);
  return EXIT.failed;
});
await releaseAll();

async function bench() {
  const options = readOptions();
  if (options === undefined) return EXIT.usage;
  requireFreshBuild();
  const folder = mkdtempSync(join(tmpdir(), 'atma-bench-'));
  defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  requireDisk(folder);
  const machine = describeMachine();
  const versions = versionsHere();
  const log = (text) => process.stderr.write(`${text}\n`);
  const context = {
    quick: options.quick,
    minutes: options.minutes,
    folder,
    defer,
    log,
    versions,
    broker: once(startBroker),
  };
  const rows = [];
  for (const measure of chosen(options.only)) rows.push(...(await measure(context)));
  if (options.json) console.log(JSON.stringify(toJson(rows, machine, versions, options.quick)));
  else console.log(text(rows, machine, versions, options.quick));
  return rows.some((row) => isMet(row) === false) ? EXIT.missed : EXIT.done;
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        only: { type: 'string' },
        minutes: { type: 'string' },
      },
    });
    const names = Object.keys({ ...BENCHES, ...LARGE });
    const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
    if (minutes !== undefined && !(minutes > 0)) console.error('--minutes takes a number above 0');
    else if (values.only === undefined || names.includes(values.only)) return { ...values, minutes };
    else console.error(`--only takes one of: ${names.join(', ')}`);
  } catch (error) {
    console.error(`${error.message}\nOptions: --quick, --only NAME, --json, --minutes N (services)`);
  }
  return undefined;
}

/** Publish and consume are one measurement: what is published has to be consumed. */
function chosen(only) {
  if (only !== undefined) return [{ ...BENCHES, ...LARGE }[only]];
  const { publish, consume, ...rest } = BENCHES;
  return [(context) => measureRates(context), ...Object.values(rest)];
}

/** The private RabbitMQ of the tests. It dies with this process, whatever happens. */
async function startBroker() {
  const { findRabbitServer, startRabbit } = await createJiti(import.meta.url).import(
    '../test/brokers/rabbitmq.ts',
  );
  if (findRabbitServer() === undefined) throw new Error(`RabbitMQ is not installed here.\n${howToInstall()}`);
  const broker = await startRabbit({
    plugins: ['rabbitmq_management', 'rabbitmq_shovel'],
    // Hundreds of thousands of messages: a memory alarm would be what is measured.
    config: ['vm_memory_high_watermark.absolute = 8GB'],
  });
  defer(() => broker.stop());
  return broker;
}

function once(start) {
  let started;
  return () => {
    started ??= start();
    return started;
  };
}

/** A stale dist would be measured in silence. */
function requireFreshBuild() {
  const newest = (folder) => {
    const path = fileURLToPath(new URL(folder, import.meta.url));
    if (!existsSync(path)) return 0;
    const files = readdirSync(path, { recursive: true }).map((name) => statSync(join(path, name)).mtimeMs);
    return Math.max(0, ...files);
  };
  if (newest('../dist') < newest('../src')) throw new Error('dist is older than src: npm run build');
}

function text(rows, { system, cpu, cores, memoryGB, loadBefore }, versions, quick) {
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${cpu}, ${cores} cores, ${memoryGB} GB, ${system}; load before ${loadBefore}`,
    ...(loadBefore > BUSY
      ? ['The machine was busy with something else: rates, ratios and p99 suffer from it.']
      : []),
    list.join(', ') + (quick ? '; --quick: fewer rounds, less certain' : ''),
    '',
    renderTable(rows),
    '',
    'ours, rival: medians. ratio: median of the ratios of rounds taken in turn; beside it their range.',
  ].join('\n');
}

async function releaseAll() {
  for (const release of releases.splice(0).reverse()) {
    try {
      await release();
    } catch (error) {
      console.error(error);
      process.exitCode ||= EXIT.failed;
    }
  }
}
