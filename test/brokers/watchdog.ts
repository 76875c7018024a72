/** The shell between a test process and its broker, which sees to it that the broker does not outlive the test. */
import { type ChildProcess, spawn } from 'node:child_process';

/**
 * epmd is started here, in the foreground, because one started by Erlang would outlive everything. The last
 * line runs only when the pipe from the test process ends: then the test process is gone.
 */
const WATCHDOG = `
epmd -port "$EPMD_PORT" -address 127.0.0.1 </dev/null >/dev/null 2>&1 &
epmd=$!
until epmd -port "$EPMD_PORT" -names >/dev/null 2>&1; do kill -0 $epmd || kill -9 0; sleep 0.05; done
( exec "$SERVER" -noinput </dev/null >"$FOLDER/output" 2>&1 ) &
server=$!
( wait_for_end() { while kill -0 $server 2>/dev/null; do sleep 0.2; done; kill -9 0; }; wait_for_end ) &
watcher=$!
read -r _
trap '' TERM
kill -9 $watcher $server $epmd
sleep 0.3
rm -rf "$FOLDER"
kill -9 0
`;

/** Starts epmd and the broker, in a process group of their own, with `folder` for its output. */
export function spawnWatched(
  script: string,
  folder: string,
  env: NodeJS.ProcessEnv,
  epmdPort: number,
): ChildProcess {
  const child = spawn('sh', ['-c', WATCHDOG], {
    env: { ...env, SERVER: script, FOLDER: folder, EPMD_PORT: String(epmdPort) },
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.stdin?.on('error', () => {
    // The watchdog was killed with its broker; there is nobody left to write to.
  });
  // Neither may keep a finished test run alive.
  child.unref();
  const pipe = child.stdin as unknown as { unref?: () => void } | null;
  pipe?.unref?.();
  return child;
}
