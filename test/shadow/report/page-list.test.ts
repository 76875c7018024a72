/** The list of legs on the page: searched and filtered, by the keyboard alone, in a real browser. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LegRow } from '../../../src/shadow/run-summary.js';
import { findChromium, startChromium } from '../../brokers/chromium.js';
import { everyPlant } from '../scene.js';
import { generateTraffic } from '../traffic.js';
import { focused, htmlOf, openPage, tabTo } from './page.js';
import { type JudgedRun, judgedRun } from './planted.js';

describe.skipIf(findChromium() === undefined)('the list of legs', () => {
  let browser: Browser;
  let run: JudgedRun;
  beforeAll(async () => {
    browser = await startChromium();
    run = await judgedRun(generateTraffic({ seed: 4, days: 5, jobs: 100, faults: everyPlant(3) }));
  });
  afterAll(() => browser.close());

  const open = (of: JudgedRun = run) => openPage(browser, htmlOf(of));

  test('begins with all of them, a hundred at a time, and goes on where the keyboard is', async () => {
    const { page } = await open();
    const { length } = run.legs;
    expect(length).toBeGreaterThan(100);
    expect(await page.getByRole('status').textContent()).toBe(`Showing 100 of ${length}.`);
    await page.locator('#rows summary').nth(99).focus();
    await tabTo(page, 'more');
    await page.keyboard.press('Enter');
    expect(await page.locator('#rows > li').count()).toBe(Math.min(200, length));
    expect(await page.evaluate('document.activeElement.closest("li").matches(":nth-child(101)")')).toBe(true);
  });

  test('is searched by the keyboard, and a leg of it opened', async () => {
    const { page } = await open();
    const wanted = run.legs.find(({ outcome }) => outcome === 'mismatch');
    await tabTo(page, 'words');
    await page.keyboard.type(`${wanted?.job.slice(0, 13).toUpperCase()}  MISMATCH ${wanted?.consumer}`);
    expect(await page.getByRole('status').textContent()).toBe(
      `Showing 1 of 1 found (of ${run.legs.length}).`,
    );
    await tabTo(page, 'summary');
    await page.keyboard.press('Enter');
    const leg = page.locator('#rows > li');
    expect(await leg.locator('details').getAttribute('open')).toBe('');
    const [field] = wanted?.fields ?? [];
    expect(await leg.locator('tbody tr').first().locator('td').allTextContents()).toEqual([
      field?.callback,
      field?.event,
    ]);
    expect(await leg.textContent()).toContain('What to do');
    expect(await leg.textContent()).toContain(
      `callback in line ${wanted?.lines.callback.toLocaleString('en-US')}`,
    );
  });

  test('is filtered by the keyboard, and says when nothing fits', async () => {
    const { page } = await open();
    const count = (fits: (leg: LegRow) => boolean) => run.legs.filter(fits).length;
    const status = () => page.getByRole('status').textContent();
    await tabTo(page, 'outcome');
    await page.keyboard.type('refused');
    const refused = count(({ outcome }) => outcome === 'refused');
    expect(await status()).toBe(`Showing ${refused} of ${refused} found (of ${run.legs.length}).`);
    await tabTo(page, 'against');
    await page.keyboard.press('Space');
    expect(await status()).toBe('No leg fits. Take a word or a filter away.');
    expect(await page.locator('#more').isVisible()).toBe(false);
    await page.keyboard.press('Shift+Tab');
    expect(await focused(page)).toBe('stratum');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Home');
    const bad = count(({ evidence }) => evidence === 'bad');
    expect(await status()).toBe(`Showing ${Math.min(100, bad)} of ${bad} found (of ${run.legs.length}).`);
    await tabTo(page, 'stratum');
    await page.keyboard.press('End');
    const last = count(
      ({ evidence, eventType, consumer }) =>
        [evidence, eventType, consumer].join() === 'bad,analysis.started,notification',
    );
    expect(await status()).toBe(`Showing ${last} of ${last} found (of ${run.legs.length}).`);
  });

  test('has names and roles for whoever does not see it', async () => {
    const { page } = await open();
    await page.getByRole('searchbox', { name: 'Search' }).waitFor();
    for (const name of ['Outcome', 'Event and consumer'])
      await page.getByRole('combobox', { name }).waitFor();
    await page.getByRole('checkbox', { name: 'only what counts against' }).waitFor();
    for (const role of ['banner', 'navigation', 'main', 'search', 'contentinfo'] as const) {
      expect(await page.getByRole(role).count()).toBe(1);
    }
    const levels = await page
      .getByRole('heading')
      .evaluateAll((all) => all.map(({ localName }) => Number(localName[1])));
    expect(levels[0]).toBe(1);
    expect(levels.filter((level) => level === 1)).toHaveLength(1);
    for (const [index, level] of levels.entries())
      expect(level - (levels[index - 1] ?? 0)).toBeLessThanOrEqual(1);
    expect(await page.locator('svg[role=img]:not([aria-label])').count()).toBe(0);
    expect(await page.locator('svg:not([role=img]):not([aria-hidden=true])').count()).toBe(0);
    expect(await page.getByRole('progressbar', { name: /progress to SAFE$/ }).count()).toBe(10);
    expect(await page.locator('th:not([scope])').count()).toBe(0);
    const targets = await page
      .locator('nav a')
      .evaluateAll((all) => all.map((link) => link.getAttribute('href') ?? ''));
    for (const target of targets) expect(await page.locator(target).count()).toBe(1);
  });

  test('of two thousand legs stays quick, and says how many more there are', async () => {
    const legs = Array.from({ length: 2_000 }, (_, index): LegRow => {
      const leg = run.legs[index % run.legs.length];
      if (leg === undefined) throw new Error('no legs');
      return { ...leg, key: `${index}`, job: `job-${index}`, at: leg.at + index };
    });
    const { page } = await open({ ...run, legs, legCount: 70_000 });
    expect(await page.locator('#legs-kept').textContent()).toContain(
      '70,000 legs did not match; the list holds 2,000 of them.',
    );
    const took = await page.evaluate<number>(`(() => {
      const words = document.getElementById('words');
      const begun = performance.now();
      for (const text of ['j', 'jo', 'job-1', 'job-19', 'job-199', 'job-1999', '']) {
        words.value = text;
        words.dispatchEvent(new Event('input'));
        document.body.getBoundingClientRect();
      }
      return performance.now() - begun;
    })()`);
    // Seven keys with layout: some 150 ms on the reference machine when it is idle.
    expect(took).toBeLessThan(2_000);
    expect(await page.getByRole('status').textContent()).toBe('Showing 100 of 2,000.');
  });
});
