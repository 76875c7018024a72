/** The verdict as build servers read it. That a real XML parser reads it, too, is in page.test.ts. */
import { describe, expect, test } from 'vitest';
import { reportJunit } from '../../../src/shadow/report/junit.js';
import type { RunSummary } from '../../../src/shadow/run-summary.js';
import { everyPlant } from '../scene.js';
import { generateTraffic } from '../traffic.js';
import { HOSTILE, hostileTraffic, judge, judgedRun } from './planted.js';

/** A run in which every stratum has shown it, made from a small clean one. */
async function cleanRun(): Promise<RunSummary> {
  const { summary } = await judgedRun(generateTraffic({ seed: 1, days: 10, jobs: 200 }));
  const strata = summary.counts.strata.map((stratum) => ({
    ...stratum,
    legs: 9_000,
    latency: stratum.latency && { legs: 9_000, bad: 0 },
  }));
  return { ...summary, counts: { ...summary.counts, strata } };
}

const cases = (xml: string) =>
  [...xml.matchAll(/<testcase name="([^"]*)" classname="([^"]*)" time="0"(\/>|>\s*<(\w+))/g)].map(
    ([, name, className, , result = 'passed']) => [name, className, result],
  );
const attributes = (xml: string) => {
  const [, text = ''] = /<testsuite ([^>]*)>/.exec(xml) ?? [];
  return Object.fromEntries([...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
};

describe('JUnit', () => {
  test('of a run that is SAFE passes for every stratum, and for nothing else', async () => {
    const summary = await cleanRun();
    const judgement = judge(summary);
    expect(judgement.verdict).toBe('SAFE');
    const xml = reportJunit(summary, judgement);
    expect(cases(xml)).toEqual([
      ['analysis.completed × notification', 'shadow.notification', 'passed'],
      ['analysis.failed × notification', 'shadow.notification', 'passed'],
      ['analysis.completed × assessment', 'shadow.assessment', 'passed'],
      ['analysis.failed × assessment', 'shadow.assessment', 'passed'],
      ['analysis.started × notification', 'shadow.notification', 'passed'],
      ['analysis.started × assessment', 'shadow.assessment', 'passed'],
    ]);
    expect(attributes(xml)).toMatchObject({ tests: '6', failures: '0', errors: '0', skipped: '0' });
  });

  test('of evidence against a stratum is a failure, with the reason', async () => {
    const { summary, judgement } = await judgedRun(
      generateTraffic({ seed: 4, days: 5, jobs: 300, faults: everyPlant(2) }),
    );
    const xml = reportJunit(summary, judgement);
    expect(cases(xml).map(([, , result]) => result)).toContain('failure');
    expect(xml).toMatch(/<failure type="too-many-bad" message="\d+ of \d+ legs bad \(/);
    expect(xml).toContain('mend the cause, then start a new run');
    // Every cause is there to read, with what to do.
    for (const { count, says } of summary.findings.slice(0, 3)) {
      expect(xml).toContain(`${count} × `);
      expect(xml).toContain(says.slice(0, 30));
    }
  });

  test('of a stratum that is not shown yet is an error, of a waived one skipped, of a gap an error of its own', async () => {
    const summary = { ...(await cleanRun()), gaps: [{ source: 'taps', from: 0, to: null }] };
    const strata = summary.counts.strata.map((stratum) =>
      stratum.eventType === 'analysis.failed'
        ? { ...stratum, legs: 3, latency: { legs: 3, bad: 0 } }
        : stratum,
    );
    const few = { ...summary, counts: { ...summary.counts, strata } };
    const waiver = { who: 'Ana', when: '2024-01-01', why: 'three a month' };
    const judgement = judge(few, {
      strata: [{ eventType: 'analysis.failed', consumer: 'assessment', waiver }],
    });
    expect(judgement.verdict).toBe('INCONCLUSIVE');
    const xml = reportJunit(few, judgement);
    expect(cases(xml).map(([name, , result]) => [name, result])).toEqual([
      ['analysis.completed × notification', 'passed'],
      ['analysis.failed × notification', 'error'],
      ['analysis.completed × assessment', 'passed'],
      ['analysis.failed × assessment', 'skipped'],
      ['analysis.started × notification', 'passed'],
      ['analysis.started × assessment', 'passed'],
      ['the whole run', 'error'],
    ]);
    expect(attributes(xml)).toMatchObject({ tests: '7', failures: '0', errors: '2', skipped: '1' });
    expect(xml).toContain('Waived by Ana on 2024-01-01: three a month.');
    expect(xml).toMatch(/<error type="gap" message="taps may have missed something/);
  });

  test('has what the schema asks for, in its order', async () => {
    const { summary, judgement } = await judgedRun(generateTraffic({ seed: 1, days: 1, jobs: 3 }));
    const xml = reportJunit(summary, judgement);
    const names = [...xml.matchAll(/<(\w[\w-]*)/g)].map(([, name]) => name ?? '');
    const seen = names.filter((name, index) => name !== names[index - 1]);
    expect(seen.slice(0, 4)).toEqual(['testsuites', 'testsuite', 'properties', 'property']);
    expect(seen.slice(-2)).toEqual(['system-out', 'system-err']);
    const { timestamp, time, hostname, name, id, package: of } = attributes(xml);
    // The schema wants a time without a zone.
    expect(timestamp).toMatch(/^2024-01-01T\d\d:\d\d:\d\d$/);
    expect(time).toMatch(/^\d+\.\d{3}$/);
    expect({ hostname, name, id, of }).toEqual({
      ...{ hostname: 'localhost', name: 'shadow run', id: '0', of: 'atma-events' },
    });
    for (const [tag] of xml.matchAll(/<(failure|error) [^>]*>/g))
      expect(tag).toMatch(/ type="[\w-]+" message="/);
  });

  test('shows hostile text as text, and nothing that XML has no way to write', async () => {
    const { summary, judgement } = await judgedRun(hostileTraffic());
    const hostile = { ...summary, gaps: [{ source: `${HOSTILE}\u0000\ufffe\ud800]]>`, from: 1, to: 2 }] };
    const xml = reportJunit(hostile, judge(hostile));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(xml).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e\ud800-\udfff\ufffe\uffff]/);
    expect(xml).not.toContain('<script');
    expect(xml).not.toContain('<b>');
    expect(xml).not.toContain(']]>');
    expect(xml).toContain('&#60;/script&#62;');
    expect(xml).not.toContain('budi@');
    expect(xml).not.toContain('geheim');
    expect(judgement.reasons.length).toBeGreaterThan(0);
  });
});
