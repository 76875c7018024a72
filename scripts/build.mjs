// Compiles src to dist, then bundles the command line into dist/bundle. Runs after `npm ci` (the `prepare`
// script) and before the tests. The bundle is for start-up only: it brings zod without its 62 locale files, and
// our own modules in a few chunks (docs/decisions/0003-bundled-command-line.md). Services import dist/index.js.
// Nothing is deleted before its successor is there: a second build may run beside this one.
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const startedAt = Date.now();

const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.json')], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
if (process.exitCode === 0) {
  await bundle();
  removeOlderThan(startedAt, dist);
}

async function bundle() {
  const build = await rolldown({
    input: { main: join(dist, 'main.js') },
    platform: 'node',
    // Every package but zod stays a dependency that is loaded when it is needed.
    external: (id) => !/^[./]/.test(id) && id !== 'zod' && !id.startsWith('zod/'),
  });
  await build.write({ dir: join(dist, 'bundle'), format: 'esm', comments: { legal: true } });
  await build.close();
}

/** What an earlier build left and this one did not write belongs to sources that are gone. */
function removeOlderThan(time, folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) removeOlderThan(time, path);
    else if (statSync(path).mtimeMs < time - 1000) rmSync(path);
  }
}
