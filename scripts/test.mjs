// `npm test`: builds, then runs every test that can run here, and says loudly what was skipped and why.
// Arguments are passed on to vitest. `--require-brokers` makes a missing broker an error.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { howToInstall, missingBrokers } from './brokers.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const passedOn = process.argv.slice(2).filter((argument) => argument !== '--require-brokers');
const requireBrokers = passedOn.length < process.argv.length - 2;
const missing = missingBrokers();

if (requireBrokers && missing.length > 0) {
  console.error(`Missing: ${missing.map(({ what }) => what).join(', ')}.\n${howToInstall(missing)}`);
  process.exitCode = 1;
} else {
  process.exitCode = run('scripts/build.mjs') || run('node_modules/vitest/vitest.mjs', 'run', ...passedOn);
  if (missing.length > 0) process.stderr.write(banner());
}

function run(script, ...args) {
  const { status } = spawnSync(process.execPath, [join(root, script), ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  return status ?? 1;
}

function banner() {
  const bar = '!'.repeat(78);
  const skipped = missing.map(({ what, why }) => `  ${what} is not installed: ${why} did NOT run.`);
  return `\n${bar}\n  SKIPPED TESTS\n${skipped.join('\n')}\n\n${howToInstall(missing)}\n${bar}\n`;
}
