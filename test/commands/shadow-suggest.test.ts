import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createBook, generateTraffic, type Line, makeJob, mulberry32, START } from '../shadow/traffic.js';
import { runCli } from './cli.js';
import { recordingsOf, textOf } from './shadow-recordings.js';

const CALLBACKS = 'callbacks.jsonl';
const EVENTS = 'events.jsonl';

/** Each callback and each event of ten jobs told twice, with `body` of the first and of the second time laid over. */
function told(body: (time: number) => { callback?: object; event?: object }) {
  const random = mulberry32(5);
  const book = createBook();
  for (let n = 0; n < 10; n++) {
    const job = makeJob(START + n * 60_000, random);
    for (const time of [0, 1]) {
      const at = job.at + time * 3_000;
      book.callback(job, 'assessment', 'completed', { at });
      book.event(job, 'completed', { at, messageId: `${job.jobId}-${time}` });
    }
  }
  const { callbacks, events } = book.traffic();
  const lay = (lines: readonly Line[], key: 'body' | 'event', side: 'callback' | 'event') => {
    const times = new Map<string, number>();
    return lines.map(({ at, record }) => {
      const own = record as { readonly body: { jobId: string }; readonly event: { jobId: string } };
      const time = times.get(own[key].jobId) ?? 0;
      times.set(own[key].jobId, time + 1);
      return { at, record: { ...record, [key]: { ...own[key], ...body(time)[side] } } };
    });
  };
  return recordingsOf({
    callbacks: lay(callbacks, 'body', 'callback'),
    events: lay(events, 'event', 'event'),
  });
}

const suggest = async (folder: string, ...args: string[]) => {
  const result = await runCli(['shadow', 'suggest', ...args], { cwd: folder });
  expect(result, result.stderr).toMatchObject({ exitCode: 0 });
  return result.stdout;
};
const BOTH = ['--callbacks', CALLBACKS, '--events', EVENTS];

describe('shadow suggest', () => {
  it('proposes to ignore what differs though nothing is wrong, with counts, and changes nothing', async () => {
    const { folder, write } = told((time) => ({
      callback: { requestId: `r-${time}`, build: 'b1' },
      event: { sentAt: new Date(START + time).toISOString() },
    }));
    write('atma-events.config.json', '{"preset":"atma"}');
    const stdout = await suggest(folder, ...BOTH);
    expect(stdout).toContain('Callbacks: 20 read, 10 of them of a fact that was told before.');
    expect(stdout).toMatch(
      /analysis\.completed +assessment +callback +requestId +differs in 10 of 10 repetitions, first between lines \d+ and \d+/,
    );
    expect(stdout).toMatch(/assessment +event +sentAt +differs in 10 of 10 repetitions/);
    expect(stdout).toMatch(/assessment +callback +build +the same in all of 10 repetitions/);
    expect(stdout).toContain('Nothing was changed.');
    expect(stdout).toMatch(
      /\/\/ analysis\.completed × assessment\nignore: \{"callback":\["requestId"\],"event":\[.*"sentAt"\]\},/,
    );
    expect(readFileSync(join(folder, 'atma-events.config.json'), 'utf8')).toBe('{"preset":"atma"}');
  });

  it('prints with --json a mapping under which the proposed fields are ignored, and no other', async () => {
    const recordings = told((time) => ({ callback: { requestId: `r-${time}`, build: 'b1' } }));
    const document = JSON.parse(await suggest(recordings.folder, ...BOTH, '--json'));
    expect(Object.keys(document)).toEqual(['callbacks', 'events', 'suggestions', 'shadow']);
    expect(document.callbacks).toEqual({ bodies: 20, repeated: 10, skipped: 0 });
    expect(document.suggestions).toMatchObject([
      {
        kind: 'ignore',
        consumer: 'assessment',
        side: 'callback',
        path: 'requestId',
        seen: 20,
        repeated: 10,
        differs: 10,
      },
      { kind: 'decide', path: 'build', differs: 0 },
    ]);
    const { preset, shadow } = { preset: 'atma', shadow: document.shadow };
    recordings.write('atma-events.config.json', JSON.stringify({ preset, shadow }));
    expect((await recordings.document()).unmapped).toMatchObject([{ path: 'build', count: 20 }]);
    expect(await suggest(recordings.folder, ...BOTH)).not.toContain('requestId');
  });

  it('warns of compared fields that differ by themselves, with the tolerance that they need', async () => {
    const { folder, write } = told((time) => ({
      callback: {
        score: 0.5 + time / 4,
        doneAt: new Date(START + time * 250).toISOString(),
        status: `s${time}`,
      },
    }));
    const { shadow } = JSON.parse(await suggest(folder, ...BOTH, '--json'));
    for (const leg of shadow.legs) {
      if (leg.begins) continue;
      leg.ignore.callback = [];
      for (const name of ['score', 'doneAt']) leg.fields.push({ name, callback: [name], event: [name] });
    }
    write('atma-events.config.json', JSON.stringify({ preset: 'atma', shadow }));
    const stdout = await suggest(folder, ...BOTH);
    expect(stdout).toMatch(/score .*give it a tolerance of 0\.25 or more/);
    expect(stdout).toMatch(/doneAt .*give it a tolerance of 250 ms or more/);
    expect(stdout).toMatch(/status .*map it otherwise, or ignore it/);
  });

  it('finds the same in two recordings of the same jobs', async () => {
    const traffic = generateTraffic({ seed: 2, days: 0.01, jobs: 5 });
    const stamped = (n: number) =>
      traffic.events.map(({ at, record }) => {
        const { event } = record as { event: object };
        return { at, record: { ...record, event: { ...event, traceId: `t${n}-${at}` } } };
      });
    const { folder, write } = recordingsOf({ callbacks: [], events: stamped(1) });
    expect(await suggest(folder, '--events', EVENTS)).toContain('no fact with it was told twice');
    write('again.jsonl', textOf(stamped(2)));
    const stdout = await suggest(folder, '--events', EVENTS, '--events', 'again.jsonl');
    expect(stdout).toMatch(/traceId +differs in \d+ of \d+ repetitions/);
    expect(stdout).not.toContain('no fact with it');
  });

  it('keeps to facts: other attempts of a job, refused callbacks and invalid events prove nothing', async () => {
    const random = mulberry32(6);
    const book = createBook();
    const job = makeJob(START, random);
    const bodyOf = (resultId: string, requestId: string) => ({
      jobId: job.jobId,
      resultId,
      status: 'completed',
      requestId,
    });
    for (const [index, status] of [200, 400, 422].entries()) {
      book.callback(job, 'assessment', 'completed', {
        at: job.at + index,
        status,
        body: bodyOf(job.resultId, `r${index}`),
      });
    }
    book.callback(job, 'assessment', 'completed', { at: job.at + 9_000, body: bodyOf(job.uuid(), 'r9') });
    book.event(job, 'completed', { body: { traceId: 'a' } });
    book.event(job, 'completed', { body: { traceId: 'b' }, valid: false, errors: [] });
    const { folder } = recordingsOf(book.traffic());
    const document = JSON.parse(await suggest(folder, ...BOTH, '--json'));
    expect(document.callbacks).toEqual({ bodies: 2, repeated: 0, skipped: 0 });
    expect(document.suggestions.map(({ kind }: { kind: string }) => kind)).not.toContain('ignore');
  });

  it('has nothing to propose where everything is mapped, and says what it lacks to know more', async () => {
    const traffic = generateTraffic({ seed: 2, days: 0.01, jobs: 5 });
    const stdout = await suggest(recordingsOf(traffic).folder, ...BOTH);
    expect(stdout).toContain(
      'Every field is mapped or ignored. Whether one differs by itself cannot be told',
    );
    expect(stdout).toContain('Give two recordings of the same jobs.');
  });

  it('wants a recording, and one that is what it is given as', async () => {
    const { folder } = recordingsOf(generateTraffic({ seed: 2, days: 0.01, jobs: 5 }));
    for (const [args, message] of [
      [[], 'error: There is nothing to read'],
      [['--callbacks', EVENTS], `error: ${EVENTS} holds no recorded callback; line 1: `],
      [['--callbacks', '-', '--events', '-'], 'error: Only one recording can come from stdin'],
    ] as const) {
      const { exitCode, stdout, stderr } = await runCli(['shadow', 'suggest', ...args], { cwd: folder });
      expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
      expect(stderr).toContain(message);
    }
  });

  it('lets no field name drive the terminal', async () => {
    const { folder } = told((time) => ({ callback: { '\u001b[2Jevil': time, 'budi@example.com': time } }));
    const stdout = await suggest(folder, ...BOTH);
    expect(stdout).not.toContain('\u001b');
    expect(stdout).toContain('\\x1b[2Jevil');
    expect(stdout).not.toContain('budi@');
  });
});
