/** Started as a thread of its own: a disk that hangs holds nobody up but this. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ThreadOptions, ToThread } from './recorder-messages.js';
import { startRecordingLoop } from './recording-loop.js';

const port = parentPort;
if (port !== null) {
  const options: ThreadOptions = workerData;
  const loop = startRecordingLoop(options, {
    tell: (message) => port.postMessage(message),
    now: Date.now,
    later: (ms, fire) => void setTimeout(fire, ms).unref(),
  });
  port.on('message', (message: ToThread) => {
    loop.hear(message);
    if (message.type === 'end') port.close();
  });
}
