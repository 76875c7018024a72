// The brokers and tools that the tests need: RabbitMQ's server (started privately, never as a service),
// amqp-tools, and a Chromium without a window. Finds them, installs them where there is apt, or says what to do.
// No dependencies: this runs before `npm ci` as well. By hand: `node scripts/brokers.mjs`.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What is missing here, as `{ what, why, debian }`; empty when every test can run. */
export function missingBrokers() {
  const missing = [];
  if (findRabbitServer() === undefined) {
    missing.push({ what: 'RabbitMQ', why: 'the suites on a real RabbitMQ', debian: 'rabbitmq-server' });
  } else if (findProgram('epmd') === undefined) {
    missing.push({ what: 'epmd (Erlang)', why: 'starting a private RabbitMQ', debian: 'erlang-base' });
  }
  if (findProgram('amqp-publish') === undefined || findProgram('amqp-get') === undefined) {
    missing.push({
      what: 'amqp-tools',
      why: 'exchanging messages with amqp-publish and amqp-get',
      debian: 'amqp-tools',
    });
  }
  if (findChromium() === undefined) {
    missing.push({
      what: 'Chromium',
      why: 'opening the page of a shadow report in a real browser',
      debian: 'chromium-headless-shell',
    });
  }
  return missing;
}

/** The plain start script, as `test/brokers/rabbitmq.ts` looks for it. */
function findRabbitServer() {
  for (const home of ['/usr/lib/rabbitmq/lib', '/opt/homebrew/opt/rabbitmq', '/usr/local/opt/rabbitmq']) {
    if (!existsSync(home)) continue;
    const versions = readdirSync(home).filter((entry) => entry.startsWith('rabbitmq_server-'));
    const scripts = [...versions.map((version) => join(home, version, 'sbin')), join(home, 'sbin')];
    const script = scripts.map((folder) => join(folder, 'rabbitmq-server')).find((path) => existsSync(path));
    if (script !== undefined) return script;
  }
  return undefined;
}

/** Any of the family, as `test/brokers/chromium.ts` looks for it: all of them can do without a window. */
function findChromium() {
  const names = [
    'chromium-headless-shell',
    'chromium',
    'chromium-browser',
    'google-chrome',
    'google-chrome-stable',
  ];
  const found = names.map(findProgram).find((path) => path !== undefined);
  const bundles = ['Chromium', 'Google Chrome'].map(
    (name) => `/Applications/${name}.app/Contents/MacOS/${name}`,
  );
  return found ?? bundles.find((path) => existsSync(path));
}

function findProgram(name) {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/**
 * Makes everything available. Returns `here` when the tests can run on this machine, `container` when they
 * have to run in one, or undefined after saying what to install.
 */
export function ensureBrokers() {
  if (missingBrokers().length > 0) installWithApt();
  const missing = missingBrokers();
  if (missing.length === 0) return 'here';
  if (dockerAnswers()) {
    console.log(`${missing.map(({ what }) => what).join(' and ')} not installed here; Docker answers.`);
    return 'container';
  }
  console.error(`Not found, and needed by the tests: ${missing.map(({ what }) => what).join(', ')}.`);
  console.error(howToInstall(missing));
  return undefined;
}

export function howToInstall(missing = missingBrokers()) {
  return [
    `  Debian, Ubuntu:  sudo apt-get install ${missing.map(({ debian }) => debian).join(' ')}`,
    '  macOS:           brew install rabbitmq rabbitmq-c && brew install --cask chromium',
    '  elsewhere:       start Docker; npm run verify then runs in a container',
  ].join('\n');
}

/** Installs what is missing if this is a Debian-like system and we are, or can become without a password, root. */
function installWithApt() {
  if (findProgram('apt-get') === undefined) return;
  const become = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  if (become.length > 0 && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status !== 0) {
    console.log('apt-get is here, but this user is not root and sudo asks for a password.');
    return;
  }
  const packages = missingBrokers().map(({ debian }) => debian);
  console.log(`Installing with apt-get: ${packages.join(' ')}`);
  const root = (...command) => {
    const [file, ...rest] = [...become, 'env', 'DEBIAN_FRONTEND=noninteractive', ...command];
    return spawnSync(file, rest, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
  };
  const releaseServices = keepServicesDown(root);
  try {
    // A stale package list is the usual reason for a failed install; a failed update may still have enough.
    root('apt-get', 'update', '-q');
    const options = [
      '-y',
      '-q',
      '--no-install-recommends',
      '-o',
      'Dpkg::Use-Pty=0',
      '-o',
      'DPkg::Lock::Timeout=120',
    ];
    if (root('apt-get', 'install', ...options, ...packages)) return;
    // One name that this system does not have makes apt refuse them all. Ubuntu has no chromium-headless-shell, say.
    for (const name of packages.length > 1 ? packages : []) root('apt-get', 'install', ...options, name);
  } finally {
    releaseServices();
    if (packages.includes('rabbitmq-server')) stopService(root);
  }
}

/**
 * Debian starts a service on install, which fails where nothing runs services (containers) and leaves the
 * package half configured. policy-rc.d is Debian's own switch for that; an existing one is left alone.
 */
function keepServicesDown(root) {
  const policy = '/usr/sbin/policy-rc.d';
  if (existsSync(policy)) return () => {};
  root('sh', '-c', `printf '#!/bin/sh\\nexit 101\\n' > ${policy} && chmod 755 ${policy}`);
  return () => root('rm', '-f', policy);
}

/** The tests start nodes of their own; a service would only hold memory and the standard port. */
function stopService(root) {
  if (existsSync('/run/systemd/system')) root('systemctl', 'disable', '--now', '--quiet', 'rabbitmq-server');
}

export function dockerAnswers() {
  const { status, stdout } = spawnSync('docker', ['version', '--format', '{{.Server.Version}}'], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return status === 0 && stdout.trim() !== '';
}

/**
 * Runs `npm run <script>` on a copy of this clone in a Debian container with Node, where apt-get finds the
 * brokers. Returns its exit code. The clone is mounted read-only: its node_modules are of another system.
 */
export function runInContainer(root, script) {
  const steps = [
    'mkdir /clone',
    'tar -C /source --exclude=./node_modules --exclude=./dist --exclude=./tmp -cf - . | tar -C /clone -xf -',
    'cd /clone',
    `npm run ${script}`,
  ];
  const { status } = spawnSync(
    'docker',
    [
      'run',
      '--rm',
      '--init',
      '-v',
      `${root}:/source:ro`,
      'node:20-bookworm',
      'sh',
      '-ec',
      steps.join(' && '),
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  return status ?? 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const where = ensureBrokers();
  if (where === 'here') console.log('RabbitMQ, amqp-tools and Chromium are here.');
  process.exitCode = where === undefined ? 1 : 0;
}
