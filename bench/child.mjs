/**
 * Each side of a comparison lives in a process of its own, as a service would: own heap, own JIT, nothing
 * else to do. The parent calls its operations over Node's IPC channel and does nothing while they run.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Variables that the product reads, or that change how Node runs: none may decide what is measured. */
const STEERING = /^(RABBITMQ_|EVENTS_|ATMA_EVENTS_|NODE_OPTIONS$|NODE_COMPILE_CACHE$|NODE_V8_COVERAGE$|npm_)/;

export function neutralEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !STEERING.test(name)));
}

/** Starts `bench/<file>` with JSON arguments. `defer` takes the release, should `stop` not be called. */
export async function startChild(file, args, defer) {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), [JSON.stringify(args)], {
    env: neutralEnvironment(),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const waiting = new Map();
  let last = 0;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  gone.then((code) => {
    for (const { reject } of waiting.values()) reject(new Error(`${file} ended with ${code}`));
    waiting.clear();
  });
  child.on('message', ({ id, result, error }) => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) call?.resolve(result);
    else call?.reject(new Error(`${file}: ${error}`));
  });
  const call = (operation, ...parameters) => {
    const answer = new Promise((resolve, reject) => {
      if (!child.connected) {
        reject(new Error(`${file} is gone`));
        return;
      }
      last += 1;
      waiting.set(last, { resolve, reject });
      child.send({ id: last, operation, parameters });
    });
    // Of two calls at once the caller sees the first failure; the second must not end the process.
    answer.catch(() => {});
    return answer;
  };
  const stop = async () => {
    if (child.connected) await call('close').catch(() => {}); // gone already: nothing left to close
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await gone;
  };
  defer(stop);
  await call('ready');
  return { call, stop };
}

/** In the child: answers the parent's calls with the operations that `open(args)` gives. */
export function serve(open) {
  const opened = open(JSON.parse(process.argv[2]));
  opened.catch(() => {}); // the first call reports it
  process.on('message', async ({ id, operation, parameters }) => {
    try {
      const operations = await opened;
      const result = operation === 'ready' ? true : await operations[operation](...parameters);
      process.send({ id, result: result ?? null });
    } catch (error) {
      process.send({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  });
  // An orphan would hold the broker file and a core.
  process.on('disconnect', () => process.exit());
}
