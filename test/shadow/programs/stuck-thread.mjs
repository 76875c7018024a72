// Records, and never takes anything: its disk hangs. Once released it says that it took what has come.
import { parentPort, workerData } from 'node:worker_threads';

let [count, size] = [0, 0];
parentPort.postMessage({ type: 'opened', opening: 1, places: {} });
parentPort.on('message', (message) => {
  if (message.type === 'items') [count, size] = [count + message.items.length, size + message.size];
  if (message.type === 'end') process.exit();
});
const released = new Int32Array(workerData.released);
setInterval(() => {
  if (count === 0 || Atomics.load(released, 0) === 0) return;
  parentPort.postMessage({ type: 'taken', count, size });
  [count, size] = [0, 0];
}, 5);
