// `npm run verify`: every check, on a clean clone or a used one, and nothing skipped. Ends with a plain line
// `N passed, N failed`. `--long` adds the long fault runs and repeats the suite on other versions of Node.
// Plain Node, no dependencies: node_modules may not exist yet.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBrokers, runInContainer } from './brokers.mjs';
import { packCheck } from './pack-check.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const long = process.argv.includes('--long');
/** Versions of Node beside the running one on which `--long` repeats the suite. */
const OTHER_NODES = [22, 24];
const LONG_RUNS = { KILL_RUNS: '200', ROUTING_SETS: '3000', FLIP_JOBS: '10000', REHEARSALS: '20' };
/** Variables that the product reads: a developer's own must not decide what is tested. */
const PRODUCT_VARIABLES =
  /^(RABBITMQ_|EVENTS_|ATMA_EVENTS_|USE_EVENT_DRIVEN$|INTERNAL_SERVICE_KEY$|\w+_SERVICE_URL$|NO_COLOR$|FORCE_COLOR$)/;

/** Thrown where going on would prove nothing. */
class Stop extends Error {}

const total = { passed: 0, failed: 0 };
/** Steps that failed, for the summary. */
const failures = [];
/** Set when the checks run in a container instead, which prints the last line itself. */
let containerExit;

try {
  verify();
} catch (error) {
  if (!(error instanceof Stop)) {
    total.failed += 1;
    console.error(error);
  }
}
if (containerExit === undefined) {
  if (failures.length > 0) console.log(`\nFailed: ${failures.join(', ')}`);
  console.log(`\n${total.passed} passed, ${total.failed} failed`);
}
process.exitCode = containerExit ?? (total.failed === 0 ? 0 : 1);

function verify() {
  step(
    'brokers',
    () => {
      const where = ensureBrokers();
      if (where === 'container') containerExit = runInContainer(root, long ? 'verify:long' : 'verify');
      return where !== undefined;
    },
    { stop: true },
  );
  if (containerExit !== undefined) return;
  step('install dependencies', installDependencies, { stop: true });
  step('lint', () => node('node_modules/@biomejs/biome/bin/biome', 'check', '.'));
  step('type-check', () => node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.test.json'));
  step('build', () => node('scripts/build.mjs'), { stop: true });
  step('tests', () => runTests(process.execPath, long ? LONG_RUNS : {}));
  step('packed tarball in an empty folder', packCheck);
  if (!long) return;
  const running = Number(process.versions.node.split('.')[0]);
  for (const major of OTHER_NODES.filter((version) => version !== running)) {
    step(`tests on Node ${major}`, () => runTests(installNode(major)));
  }
}

/** Runs one step. Its work returns whether it passed, or how many of its checks did. */
function step(name, work, { stop = false } = {}) {
  console.log(`\n=== ${name}`);
  const begun = performance.now();
  let outcome;
  try {
    outcome = work();
  } catch (error) {
    console.error(error);
    outcome = false;
  }
  const counts =
    typeof outcome === 'object' ? outcome : { passed: Number(outcome), failed: Number(!outcome) };
  total.passed += counts.passed;
  total.failed += counts.failed;
  const good = counts.failed === 0;
  if (!good) failures.push(name);
  const seconds = ((performance.now() - begun) / 1_000).toFixed(1);
  console.log(`=== ${name}: ${good ? 'passed' : 'FAILED'} in ${seconds} s`);
  if (!good && stop) throw new Stop();
}

function installDependencies() {
  if (dependenciesAreCurrent()) {
    console.log('node_modules agrees with package-lock.json');
    return true;
  }
  // `npm ci` runs the `prepare` script, which builds.
  return run(npm(), ['ci', '--no-audit', '--no-fund']);
}

/** Compares what npm noted when it installed with what the lockfile asks for. */
function dependenciesAreCurrent() {
  const noted = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(noted)) return false;
  const installed = JSON.parse(readFileSync(noted, 'utf8')).packages;
  const { '': _root, ...wanted } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const missing = Object.entries(wanted).filter(([path, entry]) => {
    // Packages of other platforms are in the lockfile and never installed.
    if (entry.optional && installed[path] === undefined) return false;
    return installed[path]?.version !== entry.version;
  });
  const extra = Object.keys(installed).filter((path) => wanted[path] === undefined);
  return missing.length === 0 && extra.length === 0;
}

/** Runs vitest and reads its counts. A skipped test is one that verify did not check: it counts as failed. */
function runTests(nodePath, environment = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'atma-verify-'));
  const file = join(folder, 'results.json');
  try {
    const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const exitedWell = run(nodePath, [join(root, 'node_modules/vitest/vitest.mjs'), ...args], environment);
    const results = JSON.parse(readFileSync(file, 'utf8'));
    const skipped = results.numPendingTests + results.numTodoTests;
    if (skipped > 0) console.log(`${skipped} tests were skipped, which counts as failed here`);
    // A file that does not load has no tests to count.
    const broken = results.testResults.filter(
      ({ status, assertionResults }) =>
        status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
    );
    const failed = results.numFailedTests + skipped + broken.length;
    // Vitest also fails on errors outside of any test.
    return { passed: results.numPassedTests, failed: failed === 0 && !exitedWell ? 1 : failed };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The newest Node of a major version, from the packages that the npm package `node` chooses from. */
function installNode(major) {
  const system = process.platform === 'win32' ? 'win' : process.platform;
  const folder = join(root, 'node_modules', '.cache', `node-${major}`);
  const name = `node-${system}-${process.arch}`;
  mkdirSync(folder, { recursive: true });
  const options = ['--prefix', folder, '--no-save', '--no-package-lock', '--no-audit', '--no-fund'];
  if (!run(npm(), ['install', ...options, `${name}@${major}`]))
    throw new Error(`no Node ${major} for ${name}`);
  const path = join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  if (!stdout?.startsWith(`v${major}.`)) throw new Error(`${path} is not Node ${major} but ${stdout}`);
  console.log(`Node ${stdout.trim()}`);
  return path;
}

function npm() {
  return process.platform === 'win32' ? 'npm.cmd' : 'npm';
}

function node(script, ...args) {
  return run(process.execPath, [join(root, script), ...args]);
}

function run(file, args, environment = {}) {
  const own = Object.entries(process.env).filter(([name]) => !PRODUCT_VARIABLES.test(name));
  const { status, error } = spawnSync(file, args, {
    cwd: root,
    env: { ...Object.fromEntries(own), ...environment },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (error) console.error(error.message);
  return status === 0;
}
