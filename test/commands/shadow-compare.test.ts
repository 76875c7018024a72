import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { generateTraffic, harEntry, type Line } from '../shadow/traffic.js';
import { runCli, startCli } from './cli.js';
import { startOnTerminal, terminalsToBeHad } from './pseudo-terminal.js';
import { recordingsOf, textOf } from './shadow-recordings.js';

const TRAFFIC = generateTraffic({ seed: 7, days: 1, jobs: 300 });
const NOTHING = { callbacks: [], events: [] };
const HOUR = 3_600_000;

describe('shadow compare --json', () => {
  it('prints one document whose names are a contract', async () => {
    const { stdout } = await recordingsOf(TRAFFIC).compare(['--json']);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    const document = JSON.parse(stdout);
    expect(Object.keys(document).slice(0, 3)).toEqual(['legs', 'strata', 'verdict']);
    expect(Object.keys(document.legs)).toEqual([
      'match',
      'mismatch',
      'missingEvent',
      'missingCallback',
      'extra',
      'duplicate',
      'late',
      'refused',
      'invalid',
      'outOfOrder',
      'pending',
    ]);
    expect(Object.keys(document.strata[0]).slice(0, 5)).toEqual([
      'eventType',
      'consumer',
      'legs',
      'bad',
      'neededCleanLegs',
    ]);
    expect(document.legs.match).toBe(1_200);
    expect(document.strata).toHaveLength(6);
  });

  it('says how many clean legs are still needed: all 3,327 where nothing was seen', async () => {
    const { strata, verdict } = await recordingsOf(NOTHING).document();
    expect(verdict).toBe('INCONCLUSIVE');
    expect(strata.map(({ neededCleanLegs }) => neededCleanLegs)).toEqual(Array(6).fill(3_327));
  });
});

describe('shadow compare exits with', () => {
  it('6 where too little was seen, and without any traffic', async () => {
    for (const traffic of [TRAFFIC, NOTHING]) {
      const { exitCode, stdout } = await recordingsOf(traffic).compare();
      expect(exitCode).toBe(6);
      expect(stdout).toMatch(/^INCONCLUSIVE {2}Nothing is shown yet/);
    }
  });

  it('4 where too much is wrong', async () => {
    const faults = { 'no event': 20 };
    const { exitCode, stdout } = await recordingsOf(
      generateTraffic({ seed: 8, days: 1, jobs: 300, faults }),
    ).compare();
    expect(exitCode).toBe(4);
    expect(stdout).toMatch(/^UNSAFE {2}The callbacks must stay/);
    expect(stdout).toContain('20 × missing event, analysis.completed × notification (counts against)');
    expect(stdout).toContain('To do: See whether the worker publishes analysis.completed');
  });

  it('2 for what it cannot work with, before anything is read', async () => {
    const recordings = recordingsOf(NOTHING);
    mkdirSync(join(recordings.folder, 'folder'));
    for (const [args, message] of [
      [['--callbacks', 'none.jsonl'], 'error: Cannot read '],
      [['--events', 'folder'], 'is a folder'],
      [['--callbacks', '-', '--events', '-'], 'error: Only one recording can come from stdin'],
      [['--html', 'nowhere/report.html'], 'error: Cannot write '],
      [['--html', 'folder'], 'is a folder'],
      [['--html', 'x', '--junit', './x'], 'error: --html and --junit name one file'],
      [['--html', './events.jsonl'], 'error: The report would replace '],
      [['--junit', 'callbacks.jsonl'], 'error: The report would replace '],
      [['--budget', 'soon'], '"soon" is not a duration'],
    ] as const) {
      const { exitCode, stdout, stderr } = await recordings.compare(args);
      expect({ exitCode, stdout }, message).toEqual({ exitCode: 2, stdout: '' });
      expect(stderr).toContain(message);
    }
    const missing = await runCli(['shadow', 'compare', '--events', 'x']);
    expect(missing.exitCode).toBe(2);
    expect(missing.stderr).toContain("required option '--callbacks <file>' not specified");
  });
});

describe('shadow compare reads', () => {
  it('either file from stdin', async () => {
    const recordings = recordingsOf(TRAFFIC);
    for (const side of ['callbacks', 'events'] as const) {
      const { stdout } = await recordings.compare([`--${side}`, '-', '--json'], {
        input: textOf(TRAFFIC[side]),
      });
      expect(JSON.parse(stdout).legs.match).toBe(1_200);
    }
  });

  it('a HAR, and says which entry it could not read', async () => {
    const recordings = recordingsOf(TRAFFIC);
    const entries = TRAFFIC.callbacks.map(({ record }) => harEntry(record as Record<string, unknown>));
    recordings.write('day.har', JSON.stringify({ log: { entries } }));
    const { legs } = await recordings.document(['--callbacks', 'day.har']);
    expect(legs).toMatchObject({ match: 1_200, extra: 0 });
    recordings.write('day.har', JSON.stringify({ log: { entries: [entries[0], { request: 1 }] } }));
    const { exitCode, stderr } = await recordings.compare(['--callbacks', 'day.har']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('error: Entry 2 of the HAR file cannot be read (day.har)');
  });

  it('on over lines that it cannot read, names them, and is not sure any more', async () => {
    const recordings = recordingsOf(TRAFFIC);
    const lines = textOf(TRAFFIC.events).split('\n');
    lines.splice(2, 0, 'not json', '{"receivedAt":"yesterday"}');
    recordings.write('events.jsonl', lines.join('\n'));
    const { exitCode, stdout, stderr } = await recordings.compare();
    expect(exitCode).toBe(6);
    expect(stderr).toContain('warning: events.jsonl:3: Not JSON: ');
    expect(stderr).toContain(
      'warning: events.jsonl:4: Not a recorded event: "receivedAt" is not an ISO 8601 time',
    );
    expect(stdout).toContain('2 lines could not be read, the first in events.jsonl, line 3');
    expect(stdout).toContain('mend or remove them, and compare again');
  });

  it('no file that is something else: it says what it is given with', async () => {
    const recordings = recordingsOf(TRAFFIC);
    const swapped = await recordings.compare(['--callbacks', 'events.jsonl', '--events', 'callbacks.jsonl']);
    expect(swapped).toMatchObject({ exitCode: 2, stdout: '' });
    expect(swapped.stderr).toContain(
      'error: events.jsonl holds no recorded callback; line 1: Not a recorded callback: "at" is not an ISO 8601 time',
    );
    expect(swapped.stderr).toContain('If it is the events, give it with --events.');
    expect(swapped.stderr).not.toContain('warning');
  });

  it('recordings of one time each, and warns where one of them brings nothing for want of recording', async () => {
    const recordings = recordingsOf(TRAFFIC);
    const [first = 0, last = 0] = [TRAFFIC.events[0]?.at, TRAFFIC.events.at(-1)?.at];
    const middle = TRAFFIC.events.filter(({ at }) => at > first + 2 * HOUR && at < last - 3 * HOUR);
    recordings.write('events.jsonl', textOf(middle));
    const { stderr } = await recordings.compare();
    expect(stderr.split('\n')).toEqual([
      expect.stringMatching(
        /^warning: events\.jsonl begins about 2 hours after callbacks\.jsonl: what callbacks\.jsonl tells of that time counts as missing events\. If nothing was recorded then, leave it out/,
      ),
      expect.stringMatching(/^warning: events\.jsonl ends about 4 hours before callbacks\.jsonl: /),
      '',
    ]);
    recordings.write('callbacks.jsonl', '');
    expect((await recordings.compare()).stderr).toBe(
      'warning: callbacks.jsonl is empty: what is in events.jsonl was compared with nothing\n',
    );
  });

  it.runIf(process.platform === 'linux')('no further than a file can be read, and says which', async () => {
    // A file whose first byte is an error.
    const { exitCode, stderr } = await recordingsOf(TRAFFIC).compare(['--events', '/proc/self/mem']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('error: Cannot read /proc/self/mem to its end\n');
  });
});

describe('shadow compare writes', () => {
  it('the page and the JUnit file beside what it prints, over those of yesterday', async () => {
    const recordings = recordingsOf(TRAFFIC);
    recordings.write('report.html', 'yesterday');
    const { stdout, stderr } = await recordings.compare(['--html', 'report.html', '--junit', 'verdict.xml']);
    const file = (name: string) => readFileSync(join(recordings.folder, name), 'utf8');
    expect(file('report.html')).toMatch(/^<!doctype html>[\s\S]*<\/html>\s*$/);
    expect(file('verdict.xml')).toMatch(/<testsuite [^>]*tests="6"[\s\S]*<\/testsuites>\s*$/);
    expect(stdout).toMatch(/^INCONCLUSIVE/);
    expect(stderr).toContain('written: report.html');
    expect(readdirSync(recordings.folder).toSorted()).toEqual([
      'callbacks.jsonl',
      'events.jsonl',
      'report.html',
      'verdict.xml',
    ]);
  });

  it('what it found on stdout all the same when a file cannot be written, and exits 1', async () => {
    const { exitCode, stdout, stderr } = await recordingsOf(TRAFFIC).compare([
      '--json',
      '--html',
      '/dev/full',
    ]);
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'INCONCLUSIVE' });
    expect(stderr).toContain('error: Cannot write /dev/full');
  });

  it.runIf(terminalsToBeHad)(
    'how far it is, on a terminal',
    async () => {
      const { folder } = recordingsOf(generateTraffic({ seed: 1, days: 30, jobs: 30_000 }));
      const files = ['--callbacks', 'callbacks.jsonl', '--events', 'events.jsonl'];
      const run = startOnTerminal(['shadow', 'compare', ...files], { cwd: folder });
      expect(await run.ended).toBe(6);
      expect(run.shown()).toMatch(/comparing: \d+ observations, \d+\/s, \d+ of \d+ MB/);
      expect(run.shown()).toContain('INCONCLUSIVE  Nothing is shown yet');
    },
    30_000,
  );

  it('nothing when it is interrupted, and exits 130', async () => {
    const { folder } = recordingsOf(TRAFFIC);
    const args = [
      'shadow',
      'compare',
      '--callbacks',
      '-',
      '--events',
      'events.jsonl',
      '--html',
      'report.html',
    ];
    const running = startCli([...args, '--json'], { cwd: folder });
    // More than a pipe holds: once it is written, the command has begun to read.
    await new Promise((resolve) => running.child.stdin?.write(textOf(TRAFFIC.callbacks).repeat(20), resolve));
    running.child.kill('SIGINT');
    const { exitCode, stdout, stderr } = await running.ended;
    expect({ exitCode, stdout }).toMatchObject({
      exitCode: 130,
      stdout: expect.not.stringContaining('legs'),
    });
    expect(stderr).toContain('Interrupted by SIGINT');
    expect(readdirSync(folder).toSorted()).toEqual(['callbacks.jsonl', 'events.jsonl']);
    expect(existsSync(join(folder, 'report.html'))).toBe(false);
  });

  it('neither addresses nor values at redacted paths, wherever a receiver quotes them', async () => {
    const secrets = ['budi.santoso@example.com', 'siti@example.com', 'Siti Rahayu'];
    const traffic = generateTraffic({ seed: 9, days: 1, jobs: 20, faults: { 'a refused callback': 3 } });
    const callbacks = traffic.callbacks.map((line) => quoting(line, secrets));
    const recordings = recordingsOf({ ...traffic, callbacks });
    const json = await recordings.compare(['--json', '--html', 'report.html', '--junit', 'verdict.xml']);
    const text = await recordings.compare();
    const written = ['report.html', 'verdict.xml'].map((name) =>
      readFileSync(join(recordings.folder, name), 'utf8'),
    );
    for (const each of [json.stdout, text.stdout, ...written]) {
      expect(each).toContain('result_id');
      for (const secret of secrets) expect(each).not.toContain(secret);
    }
  });
});

/** A receiver that quotes what it was sent, and more; the mapping redacts userEmail. */
function quoting({ at, record }: Line, [mail, other, name]: readonly string[]): Line {
  const { body, status } = record as { body: object; status: number | null };
  if (status !== 400) return { at, record };
  const answer = JSON.stringify({
    error: `"result_id" is required, says ${other}; got userEmail ${name}`,
    received: { user_email: name, mail },
  });
  return { at, record: { ...record, body: { ...body, userEmail: name }, answer } };
}
