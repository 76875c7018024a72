// Packs the package, installs the tarball in an empty folder as a user would, and uses it there: the
// command line, the library from a plain ES module, and its types from TypeScript. No dependencies; the
// type checks borrow this clone's compiler. By hand: `node scripts/pack-check.mjs`.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const DATA = `{
  jobId: '3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a6b',
  userId: '9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d',
  userEmail: 'user@example.com',
  resultId: '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed',
  metadata: { assessmentName: 'AI-Driven Talent Mapping', processingTime: 5000, retryCount: 0 },
}`;

const SERVICE = `
import { connect } from 'atma-events';

const bus = await connect({ url: 'embedded:./service.db' });
await bus.setup();
await bus.publish('analysis.completed', ${DATA});
const received = await new Promise((resolve) => {
  bus.consume('analysis_events_notifications', { 'analysis.completed': (event) => resolve(event) });
});
await bus.close();
console.log(received.type, received.data.metadata.processingTime);
`;

/** Compiles as it is; each of the wrong lines must not. */
const TYPED = (wrong) => `
import { connect } from 'atma-events';

const bus = await connect({ url: 'embedded:./service.db' });
await bus.publish('analysis.completed', ${DATA});
${wrong}
await bus.close();
`;

const WRONG = {
  'a field that is missing': "await bus.publish('analysis.completed', { jobId: 'x' });",
  'a field of the wrong type': `await bus.publish('analysis.completed', { ...${DATA}, userEmail: 7 });`,
  'an event that does not exist': `await bus.publish('analysis.complete', ${DATA});`,
};

/** Runs every check, prints one line for each, and returns how many passed and failed. */
export function packCheck() {
  const folder = mkdtempSync(join(tmpdir(), 'atma-pack-'));
  const tally = { passed: 0, failed: 0 };
  const check = (what, work) => {
    const problem = problemOf(work);
    tally[problem === undefined ? 'passed' : 'failed'] += 1;
    console.log(problem === undefined ? `  ok      ${what}` : `  FAILED  ${what}\n${indent(problem)}`);
    return problem === undefined;
  };
  try {
    checkPackage(folder, check);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return tally;
}

function checkPackage(folder, check) {
  const app = join(folder, 'app');
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), '{ "private": true, "type": "module" }\n');
  const inApp = (...command) => run(app, ...command);
  const cli = (...args) => inApp('npx', '--no-install', 'atma-events', ...args);
  const url = 'embedded:./shop.db';

  let tarball = '';
  const packed = check('npm pack: what is needed is in the tarball, and nothing else', () => {
    run(root, 'npm', 'pack', '--silent', '--pack-destination', folder);
    tarball = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '');
    const { stdout } = run(folder, 'tar', '-tzf', tarball);
    const paths = stdout.split('\n').map((path) => path.replace('package/', ''));
    for (const needed of [
      'package.json',
      'bin/atma-events.js',
      'dist/index.js',
      'dist/index.d.ts',
      'dist/shadow/recording-thread.js',
      'examples/atma/analysis-worker/main.mjs',
      'README.md',
    ]) {
      expect(paths.includes(needed), `${needed} is missing`);
    }
    expect(
      paths.some((path) => path.startsWith('fixtures/')),
      'the fixtures are missing',
    );
    const stray = paths.filter((path) =>
      /^(src|test|scripts|bench|node_modules)\/|\.db(-wal|-shm)?$/.test(path),
    );
    expect(stray.length === 0, `stray: ${stray.join(', ')}`);
  });
  if (!packed) return;
  // As a user types it, without our lockfile or development packages.
  if (
    !check('npm install of the tarball in an empty folder', () =>
      inApp('npm', 'install', '--no-audit', '--no-fund', '--loglevel=error', tarball),
    )
  )
    return;

  check('--version prints the version of package.json', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(cli('--version').stdout.trim() === version, `not ${version}`);
  });
  check('--help lists the commands', () => {
    const { stdout } = cli('--help');
    for (const command of ['rehearse', 'setup', 'publish', 'tail', 'events']) {
      expect(new RegExp(`^\\s+${command}\\b`, 'm').test(stdout), `no ${command} in:\n${stdout}`);
    }
  });
  check('rehearse runs', () => cli('rehearse', '--no-input'));
  check('setup creates the topology, and a second run keeps it', () => {
    const first = JSON.parse(cli('setup', '--url', url, '--yes', '--json').stdout);
    expect(
      first.applied === true && first.changes.some(({ action }) => action === 'create'),
      JSON.stringify(first),
    );
    const second = JSON.parse(cli('setup', '--url', url, '--yes', '--json').stdout);
    expect(
      second.changes.every(({ action }) => action === 'keep'),
      JSON.stringify(second),
    );
    cli('setup', '--url', url, '--check');
  });
  check('publish sends a sample', () => {
    const { published, confirmed } = JSON.parse(
      cli('publish', 'analysis.completed', '--sample', '--url', url, '--json').stdout,
    );
    expect(published === 1 && confirmed === 1, `published ${published}, confirmed ${confirmed}`);
  });
  check('publish of a broken event exits 1 or 2 and says why', () => {
    const { status, stderr } = attempt(
      app,
      'npx',
      '--no-install',
      'atma-events',
      'publish',
      'analysis.completed',
      '--data',
      '{"jobId":1}',
      '--url',
      url,
    );
    expect((status === 1 || status === 2) && stderr.includes('jobId'), `exit ${status}: ${stderr}`);
  });
  check('shadow run records: its thread, which is started by path, is there', () => {
    const upstream = 'all=http://127.0.0.1:9';
    const { stdout } = cli(
      ...['shadow', 'run', '--listen', '0', '--upstream', upstream, '--for', '1s', '--url', url, '--json'],
    );
    const { run, verdict } = JSON.parse(stdout);
    expect(run?.state === 'ended' && verdict === 'INCONCLUSIVE', stdout);
  });
  check('an ES module sets up, publishes and consumes', () => {
    writeFileSync(join(app, 'service.js'), SERVICE);
    const { stdout } = inApp(process.execPath, 'service.js');
    expect(stdout.trim() === 'analysis.completed 5000', stdout);
  });
  checkTypes(app, check);
}

function checkTypes(app, check) {
  const compilerOptions = {
    module: 'NodeNext',
    target: 'ES2022',
    strict: true,
    noEmit: true,
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
  };
  const compile = (text) => {
    writeFileSync(join(app, 'typed.ts'), text);
    writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['typed.ts'] }));
    return attempt(app, process.execPath, join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.');
  };
  const compiles = check('right data compiles against the installed types', () => {
    const { status, stdout } = compile(TYPED(''));
    expect(status === 0, stdout);
  });
  if (!compiles) return;
  for (const [what, line] of Object.entries(WRONG)) {
    check(`${what} does not compile`, () => {
      const { status, stdout } = compile(TYPED(line));
      // The right data come before on their own lines: an error there would prove nothing.
      const first = Number(/^typed\.ts\((\d+),/m.exec(stdout)?.[1] ?? 0);
      expect(status !== 0 && first > DATA.split('\n').length + 4, `exit ${status}: ${stdout}`);
    });
  }
}

function problemOf(work) {
  try {
    work();
    return undefined;
  } catch (error) {
    return error.message;
  }
}

function expect(condition, problem) {
  if (!condition) throw new Error(problem);
}

/** Runs a command to its end; throws unless it exits 0. */
function run(directory, ...command) {
  const result = attempt(directory, ...command);
  if (result.status !== 0) {
    throw new Error(`${command.join(' ')}\nexit ${result.status}\n${result.stdout}\n${result.stderr}`);
  }
  return result;
}

function attempt(directory, file, ...args) {
  const { status, stdout, stderr, error } = spawnSync(file, args, {
    cwd: directory,
    encoding: 'utf8',
    env: userEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 600_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  return { status, stdout: stdout ?? '', stderr: `${stderr ?? ''}${error ? error.message : ''}` };
}

/** Without what `npm run` adds: inside it, npm would take this clone's settings for the empty folder. */
function userEnvironment() {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !/^(npm_(package|lifecycle|command|execpath|node_execpath|config_(local_)?prefix)|INIT_CWD|NODE_ENV)/.test(
          name,
        ),
    ),
  );
}

function indent(text) {
  return text.trim().replace(/^/gm, '          ');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { passed, failed } = packCheck();
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
