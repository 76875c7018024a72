import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { renderRehearsal } from '../../src/commands/rehearse-text.js';
import { liveLines } from '../../src/commands/rehearse-view.js';
import { createFactBook } from '../../src/rehearsal/facts.js';
import { judgeEffects } from '../../src/rehearsal/judge.js';
import { limitsFor } from '../../src/rehearsal/limits.js';
import { reportOf } from '../../src/rehearsal/report.js';
import { rehearsalHtml } from '../../src/rehearsal/report-html.js';
import { createTerminal } from '../../src/terminal/io.js';

const terminal = createTerminal(
  {
    ...{ stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() },
    ...{ environment: {}, directory: '/' },
  },
  { colour: false, input: false, quiet: false, debug: false },
);

/** One job in live, without its push; a fault that nobody reported, with markup in it. */
function badReport() {
  const book = createFactBook();
  const id = '3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a6b';
  book.add({ id, userId: id, leg: 'live', fails: false, inFlight: false });
  book.note({ service: 'assessment', effect: 'status', path: 'event', fact: `analysis.completed:${id}:r` });
  const judgement = judgeEffects(book.jobs.values(), book.strays);
  return reportOf({
    plan: { jobs: 40, rate: 100, faults: [], limits: limitsFor(40), gateOff: false },
    log: {
      stages: [{ leg: 'live', tookMs: 10, verdict: { verdict: 'UNSAFE', legs: 24, bad: 12 } }],
      moves: [{ from: 'shadow', to: 'live', epoch: 3, seenMs: 250, jobs: 20 }],
      faults: [{ fault: 'drift', stage: 'live', did: 'a <b>field</b> drifted', reported: null }],
      ...{ begunAt: 0, completeAt: undefined },
    },
    ...{
      end: undefined,
      judgement,
      startedAt: 0,
      endedAt: 61_000,
      broker: 'embedded',
      address: 'embedded:x',
    },
    problems: [...judgement.problems, 'nobody reported drift in live'],
  });
}

describe('the closing table', () => {
  it('says what is not as it should be, and marks it', () => {
    const lines = renderRehearsal(badReport(), terminal).split('\n');
    expect(lines[0]).toBe(
      'From callbacks to events and back, on the embedded broker, in 61 s: 1 fact, 2 effects, 1 of them right: 1 missing, 0 doubled, 0 on the wrong path, 0 stray.',
    );
    expect(lines.find((line) => line.startsWith('live '))?.split(/ {2,}/)).toEqual([
      ...['live', '1', '1', '0', '1', 'NO', 'UNSAFE, 24 legs, 12 bad', '250 ms'],
    ]);
    expect(lines.find((line) => line.startsWith('drift '))).toMatch(/nobody$/);
    expect(lines.at(-1)).toBe('  nobody reported drift in live');
  });
});

describe('the page', () => {
  it('holds the same, loads nothing, and lets nothing from outside become an element', () => {
    const page = rehearsalHtml(badReport(), 0);
    expect(page).toContain('Not as it should be');
    expect(page).toContain('nobody reported drift in live');
    expect(page).toContain('a &#60;b&#62;field&#60;/b&#62; drifted');
    expect(page).toContain("default-src 'none'");
    expect(page.match(/\b(src|href)="(?!#)/g)).toBeNull();
    expect(page).not.toContain('<script');
  });
});

describe('the live view', () => {
  it('shows stage, verdict, lag, rates, the latest effect and who is not well', () => {
    const live = {
      ...{ leg: 'back' as const, verdict: 'SAFE', jobs: 1_234, effects: 2_000, open: 7 },
      latest: {
        service: 'assessment' as const,
        effect: 'refund',
        fact: 'analysis.failed:1',
        path: 'event' as const,
      },
      unwell: ['notification-service: 503'],
    };
    expect(liveLines(live, { jobs: 98, effects: 240 }, 67_000)).toEqual([
      '',
      '1:07  stage off again   verdict SAFE   lag 7 facts',
      '      jobs 1,234 (98/s)   effects 2,000 (240/s)',
      '      latest assessment refund of analysis.failed:1, by event',
      '      not well: notification-service: 503',
    ]);
  });
});
