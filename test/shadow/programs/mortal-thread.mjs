// The recording thread as it is, which ends when it is told the doubt "die": stands for a defect, or for no memory.
import { parentPort } from 'node:worker_threads';
import '../../../dist/shadow/recording-thread.js';

parentPort.on('message', ({ items = [] }) => {
  if (items.some(({ text }) => text === 'die')) process.exit(7);
});
