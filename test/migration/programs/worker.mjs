// A worker that tells jobs FROM up to TO, those of DONE (numbers with commas) left out, fifty at a time, and prints `told N`
// for each once its dispatch has resolved; then `end`. What it needs comes as a line of JSON on stdin: there may be thousands
// of jobs to leave out.
import { createInterface } from 'node:readline';
import { connect, openDispatcher } from '../../../dist/index.js';

const { url, names, flagFile, outboxFile, services, from, to, done } = JSON.parse(await firstLine());
const bus = await connect({ url, environment: names, source: 'analysis-worker', lazy: true });
const dispatcher = await openDispatcher(bus, {
  ...{ flagFile, outboxFile, services, environment: {}, pollMs: 20 },
  onTrouble() {},
});
const uuid = (kind, job) =>
  `${String(kind).padStart(8, '0')}-0000-4000-8000-${String(job).padStart(12, '0')}`;
const left = Array.from({ length: to - from }, (_, index) => from + index).filter(
  (job) => !done.includes(job),
);

async function firstLine() {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdin.destroy(); // it would keep the process alive
    return line;
  }
}

async function work() {
  for (let job = left.shift(); job !== undefined; job = left.shift()) {
    const own = { jobId: uuid(1, job), userId: uuid(2, job), userEmail: 'user@example.com' };
    const metadata = { assessmentName: 'Talent', processingTime: 5 };
    if (job % 5 === 0)
      await dispatcher.analysisFailed({ ...own, errorMessage: 'AI did not answer', metadata });
    else await dispatcher.analysisCompleted({ ...own, resultId: uuid(3, job), metadata });
    process.stdout.write(`told ${job}\n`);
  }
}

process.stdout.write('ready\n');
await Promise.all(Array.from({ length: 50 }, work));
await dispatcher.close();
await bus.close();
process.stdout.write('end\n');
