/** The report of a shadow run as people read it in a terminal. */
import { describe, expect, test } from 'vitest';
import { reportText } from '../../src/commands/shadow-text.js';
import { hostileTraffic, judge, judgedRun } from '../shadow/report/planted.js';
import { everyPlant } from '../shadow/scene.js';
import { createBook, generateTraffic, makeJob, mulberry32, START } from '../shadow/traffic.js';

describe('the report in a terminal', () => {
  test('says verdict and why, what is needed and when, what is wrong and what to do, and how long it takes', async () => {
    const book = createBook();
    for (let index = 0; index < 8; index++) {
      const at = START + index * 600_000;
      const job = { ...makeJob(at, mulberry32(index + 1)), jobId: `job-${index}`, at: at + 10_000 };
      book.callback(job, 'assessment', 'completed', { at: job.at });
      if (index < 7) book.event(job, 'completed', { at: job.at + 100, body: { plan: 'gold' } });
    }
    book.rawCallback(START, { method: 'GET', path: '/health', body: {}, status: 200 });
    const { summary } = await judgedRun(book.traffic());
    const gap = { source: 'taps', from: START, to: START + 5_000 };
    const sources = [{ source: 'proxy', path: 'callback' as const, watermark: START, stalledSince: START }];
    const skew = {
      ...{
        basis: 'both-ways' as const,
        offsetMs: 40,
        atLeastMs: 30,
        atMostMs: 50,
        contradictory: false,
        pairs: 9,
      },
    };
    const run = { ...summary, gaps: [gap], sources, skew };
    expect(reportText(run, judge(run)).map((line) => line.replace(/ {3,}/g, '  '))).toEqual([
      'INCONCLUSIVE  Nothing is shown yet, in either direction: keep both paths running.',
      expect.stringMatching(/^ {2}- taps may have missed something 1 time/),
      expect.stringMatching(/^ {2}- proxy has told nothing since 2024-01-01T00:00:00Z, so legs stay open\./),
      ...Array.from({ length: 10 }, () => expect.stringMatching(/^ {2}- analysis\.\w+ × \w+: /)),
      '',
      '2024-01-01T00:00:00Z to 2024-01-01T01:10:10Z: 23 observations, 0 legs still open.',
      'A leg waits 1 min for its other path; an event in time comes within 5 s of its callback.',
      '',
      'EVENT × CONSUMER  TEST  LEGS  BAD  SHARE BAD, 95 %  CLEAN LEGS NEEDED  WHEN',
      ...['analysis.completed × notification  same  0  0  -  3,327  none come at present'],
      ...[
        '  in time  0  0  -  3,327  none come at present',
        expect.stringContaining('analysis.failed × notification'),
      ],
      ...['  in time  0  0  -  3,327  none come at present'],
      expect.stringMatching(
        /^analysis\.completed × assessment {2}same {2}8 {2}1 {2}0\.32 % to 53 % {2}5,877 {2}about/,
      ),
      expect.stringMatching(/^ {2}in time {2}7 {2}0 {2}0 % to 41 % {2}3,320 {2}about \d+ days$/),
      ...Array.from({ length: 4 }, () => expect.any(String)),
      '',
      'What came of the legs',
      'EVENT × CONSUMER  MATCH  MISSING EVENT  MISSING CALLBACK  OPEN',
      'analysis.completed × notification  0  0  7  0',
      'analysis.failed × notification  0  0  0  0',
      'analysis.completed × assessment  7  1  0  0',
      'analysis.failed × assessment  0  0  0  0',
      'analysis.started × notification  0  0  0  0',
      'analysis.started × assessment  0  0  0  0',
      'all  7  1  7  0',
      '',
      'What is not in order',
      '1. 1 × missing event, analysis.completed × assessment (counts against)',
      '  The callback was accepted, and no analysis.completed event was seen for the assessment service.',
      '  Example: job job-7, 2024-01-01T01:10:10.000Z, callback in line 9',
      expect.stringMatching(/^ {2}To do: See whether the worker publishes analysis\.completed/),
      '2. 7 × missing callback, analysis.completed × notification (no evidence)',
      expect.stringContaining('no callback (POST /notifications/analysis-complete) was seen.'),
      '  Example: job job-0, 2024-01-01T00:00:10.100Z, event in line 1',
      expect.stringMatching(/^ {2}To do: /),
      '',
      'How long it takes',
      'EVENT × CONSUMER  P50  P90  P99  LONGEST  LEGS',
      'analysis.completed × notification  callback answered in  –  –  –  –  0',
      '  event after callback  –  –  –  –  0',
      'analysis.failed × notification  callback answered in  –  –  –  –  0',
      '  event after callback  –  –  –  –  0',
      'analysis.completed × assessment  callback answered in  12 ms  12 ms  12 ms  12 ms  8',
      '  event after callback  100 ms  100 ms  100 ms  100 ms  7',
      'analysis.failed × assessment  callback answered in  –  –  –  –  0',
      '  event after callback  –  –  –  –  0',
      'The clock of the events is 40 ms ahead of that of the callbacks, give or take 10 ms.',
      '',
      'Seen, and part of no leg',
      '  1 × GET /health (no route of the mapping fits), first in callbacks, line 1',
      '  To do: map it (docs/shadow.md), or see who sends it.',
      '',
      'Fields that are not compared',
      '  plan (event, analysis.completed × notification), 7 times',
      '  plan (event, analysis.completed × assessment), 7 times',
      '  To do: map or ignore each; `shadow suggest` proposes what to ignore.',
      '',
      'Sources',
      '  proxy (callback): complete until 2024-01-01T00:00:00.000Z, STALLED since 2024-01-01T00:00:00.000Z',
      '  GAP of taps: from 2024-01-01T00:00:00.000Z to 2024-01-01T00:00:05.000Z',
    ]);
  });

  test('tells as many causes as asked for, and that there are more', async () => {
    const { summary, judgement } = await judgedRun(
      generateTraffic({ seed: 4, days: 5, jobs: 100, faults: everyPlant(2) }),
    );
    const causes = (top?: number) =>
      reportText(summary, judgement, top === undefined ? {} : { top }).filter((line) => /^\d+\. /.test(line));
    expect(causes()).toHaveLength(10);
    expect(causes(3)).toHaveLength(3);
    expect(causes(1_000)).toHaveLength(summary.findings.length);
    const lines = reportText(summary, judgement, { top: 3 });
    expect(lines).toContain(`${summary.findings.length - 3} rarer causes more: --json and --html have them.`);
    expect(causes(3)[0]).toMatch(/counts against/);
  });

  test('lets nothing from outside drive the terminal, and shows nobody’s address', async () => {
    const { summary, judgement } = await judgedRun(hostileTraffic());
    const text = reportText(summary, judgement).join('\n');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u200b]/);
    expect(text).toContain('\\x1b[31mred');
    expect(text).not.toContain('budi@');
    expect(text).not.toContain('geheim');
  });

  test('has something to say of a run in which nothing was seen', async () => {
    const { summary, judgement } = await judgedRun(createBook().traffic());
    const text = reportText(summary, judgement).join('\n');
    expect(text).toContain('Nothing was seen: 0 observations, 0 legs still open.');
    expect(text).not.toMatch(/NaN|undefined|Infinity|null/);
  });
});
