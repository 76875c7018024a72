/** `publish --from` of a file with a million lines: peak memory, and the rate. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { neutralEnvironment } from './child.mjs';
import { eventData, TYPE } from './events.mjs';
import { BIN, measureCli } from './measured-cli.mjs';

const LIMIT_MB = 200;

export async function measureMillion({ quick, folder, defer, log }) {
  const lines = quick ? 200_000 : 1_000_000;
  const directory = join(folder, 'million');
  mkdirSync(directory);
  await writeLines(join(directory, 'events.jsonl'), lines);
  log(`million: ${lines.toLocaleString('en')} lines written`);
  const setup = spawnSync(process.execPath, [BIN, 'setup', '--yes'], {
    cwd: directory,
    env: neutralEnvironment(),
    encoding: 'utf8',
  });
  if (setup.status !== 0) throw new Error(`setup exited with ${setup.status}: ${setup.stderr}`);

  const args = ['publish', '--from', 'events.jsonl', '--json', '--no-input'];
  const { out, elapsed, peakBytes } = await measureCli(directory, args, defer);
  const report = JSON.parse(out);
  if (report.confirmed !== lines) throw new Error(`not all were confirmed: ${JSON.stringify(report)}`);
  return [
    {
      bench: 'million',
      what: `publish --from ${lines.toLocaleString('en')} lines, embedded, peak memory`,
      unit: ' MB',
      ours: peakBytes / 1e6,
      goal: { on: 'ours', is: 'under', value: LIMIT_MB },
    },
    {
      bench: 'million',
      what: `publish --from ${lines.toLocaleString('en')} lines, embedded, 2 queues, whole process`,
      unit: '/s',
      ours: (lines / elapsed) * 1_000,
    },
  ];
}

async function writeLines(file, lines) {
  const stream = createWriteStream(file);
  const events = eventData(1_000).map((data) =>
    JSON.stringify({ eventType: TYPE, timestamp: new Date().toISOString(), ...data }),
  );
  const block = `${events.join('\n')}\n`;
  for (let written = 0; written < lines; written += events.length) {
    if (!stream.write(block)) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'finish');
}
