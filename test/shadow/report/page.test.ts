/** The page of a report in a real browser. */
import { createServer } from 'node:http';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { percentilesOf, shortTime } from '../../../src/shadow/report/figures.js';
import { type ReportDocument, reportDocument } from '../../../src/shadow/report/json.js';
import { reportJunit } from '../../../src/shadow/report/junit.js';
import { findChromium, startChromium } from '../../brokers/chromium.js';
import { everyPlant } from '../scene.js';
import { createBook, generateTraffic } from '../traffic.js';
import { CONTRASTS, htmlOf, openPage } from './page.js';
import { HOSTILE, hostileTraffic, type JudgedRun, judge, judgedRun } from './planted.js';

const thousands = (value: number) => value.toLocaleString('en-US');

describe.skipIf(findChromium() === undefined)('the page of a report', () => {
  let browser: Browser;
  let planted: JudgedRun;
  let hostile: JudgedRun;
  let document: ReportDocument;
  beforeAll(async () => {
    browser = await startChromium();
    planted = await judgedRun(generateTraffic({ seed: 4, days: 5, jobs: 400, faults: everyPlant(2) }));
    hostile = await judgedRun(hostileTraffic());
    document = reportDocument(planted.summary, planted.judgement);
  });
  afterAll(() => browser.close());

  test('opens from a file without a network: no complaint, and nothing asked for', async () => {
    const { page, complaints, requests } = await openPage(browser, htmlOf(planted));
    await page.locator('#rows > li').first().waitFor();
    expect(await page.title()).toBe('UNSAFE · ATMA, January');
    expect(complaints).toEqual([]);
    expect(requests).toEqual([]);
  });

  test('forbids itself to load anything, or to run another script', async () => {
    const asked: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url);
      response.setHeader('access-control-allow-origin', '*').end();
    });
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    const attempt = `(async () => {
      const add = (name, own) => document.body.append(Object.assign(document.createElement(name), own));
      add('script', { textContent: 'document.title = "run"' });
      add('style', { textContent: 'body { display: none }' });
      const loaded = new Promise((resolve) => {
        add('img', { src: '${url}/image', onerror: resolve, onload: resolve });
      });
      await fetch('${url}/fetch').catch(() => {});
      await loaded;
      return [document.title, getComputedStyle(document.body).display];
    })()`;
    const free = await openPage(browser, '<title>free</title><body>', { offline: false });
    expect(await free.page.evaluate(attempt)).toEqual(['run', 'none']);
    expect(asked.toSorted()).toEqual(['/fetch', '/image']);
    const bound = await openPage(browser, htmlOf(planted), { offline: false });
    expect(await bound.page.evaluate(attempt)).toEqual(['UNSAFE · ATMA, January', 'block']);
    expect(asked).toHaveLength(2);
  });

  test('says the numbers of the JSON, which it holds', async () => {
    const { page } = await openPage(browser, htmlOf(planted));
    const held: { report: unknown; legCount: number } = JSON.parse(
      (await page.locator('#data').textContent()) ?? '',
    );
    expect(held.report).toEqual(JSON.parse(JSON.stringify(document)));
    const outcomes = async (stratum: string) => {
      const cells = page.locator(`.outcomes tr[data-stratum="${stratum}"] td`);
      const pairs = await cells.evaluateAll((all) =>
        all.map((cell) => [cell.getAttribute('data-outcome') ?? '', cell.textContent ?? '']),
      );
      return Object.fromEntries(pairs);
    };
    const shown = (counts: object) =>
      Object.fromEntries(
        Object.entries(counts)
          .filter(([name, value]) => value > 0 || name === 'match' || name === 'pending')
          .map(([name, value]) => [name, thousands(value)]),
      );
    const { extra, ...legs } = document.legs;
    expect(await outcomes('all')).toEqual(shown(legs));
    for (const { eventType, consumer, outcomes: own, pending, legs: closed, bad } of document.strata) {
      const name = `${eventType} × ${consumer}`;
      expect(await outcomes(name)).toMatchObject(shown({ ...own, pending }));
      const cells = page.locator(`.strata tbody[data-stratum="${name}"] tr`).first().locator('td');
      expect((await cells.allTextContents()).slice(1, 3)).toEqual([thousands(closed), thousands(bad)]);
    }
    const figure = (name: string) => page.locator(`[data-figure="${name}"]`).textContent();
    expect(await figure('observations')).toBe(thousands(document.observations));
    expect(await figure('extra')).toBe(thousands(extra));
    expect(await figure('unmatched')).toBe(thousands(planted.legCount));
    for (const { eventType, consumer, lag } of planted.summary.latencies) {
      const cell = page.locator(`[data-percentile="${eventType} × ${consumer}, event, p99"]`);
      expect(await cell.textContent()).toBe(shortTime(percentilesOf(lag).p99));
    }
    await expect(page.locator('.finding').count()).resolves.toBe(document.findings.length);
    await expect(page.locator('.reasons li').count()).resolves.toBe(document.reasons.length);
  });

  test('shows hostile data as text', async () => {
    const { page, complaints, requests } = await openPage(browser, htmlOf(hostile, HOSTILE));
    await page.locator('#rows > li').first().waitFor();
    expect(complaints).toEqual([]);
    expect(requests).toEqual([]);
    expect(await page.title()).toBe(`INCONCLUSIVE · ${HOSTILE}`);
    expect(await page.locator('h1').textContent()).toBe(HOSTILE);
    expect(await page.locator('script').count()).toBe(2);
    expect(await page.locator('img, iframe, [onerror]').count()).toBe(0);
    for (const summary of await page.locator('#rows summary').all()) await summary.click();
    const text = await page.evaluate<string>('document.body.innerText');
    expect(text).toContain(HOSTILE.slice(0, 60));
    expect(text).toContain('\\x1b[31mred');
    expect(text).toContain('\\u202egnp.exe\\u200b\\x00');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u200b]/);
    expect(text).not.toContain('budi@');
    expect(text).not.toContain('geheim');
    expect(await page.evaluate('document.documentElement.outerHTML')).not.toContain('x'.repeat(1_000));
  });

  test.each(['light', 'dark'] as const)(
    'can be read in %s mode: every text has contrast',
    async (colorScheme) => {
      for (const run of [planted, await judgedRun(createBook().traffic())]) {
        const { page } = await openPage(browser, htmlOf(run), { colorScheme });
        const paper = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
        const [red = 0] = (paper.match(/\d+/g) ?? []).map(Number);
        expect(red > 128).toBe(colorScheme === 'light');
        const low = (await page.evaluate<[number, string][]>(CONTRASTS)).filter(
          ([contrast]) => contrast < 4.5,
        );
        expect(low).toEqual([]);
      }
    },
  );

  test.each([320, 390, 768, 1_280])('fits a screen %i pixels wide', async (width) => {
    for (const run of [planted, hostile]) {
      const { page } = await openPage(browser, htmlOf(run, run === hostile ? HOSTILE.repeat(5) : 'ATMA'), {
        viewport: { width, height: 800 },
      });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    }
  });

  test('can be read without its script, but for the list', async () => {
    const { page } = await openPage(browser, htmlOf(planted), { javaScriptEnabled: false });
    const text = await page.locator('main').textContent();
    expect(text).toContain('UNSAFE');
    for (const { says } of document.findings.slice(0, 5)) expect(text).toContain(says.split('`')[0]);
    expect(text).toContain('The list needs JavaScript');
  });

  test('is a page also of a run in which nothing was seen', async () => {
    const { page, complaints } = await openPage(browser, htmlOf(await judgedRun(createBook().traffic())));
    expect(complaints).toEqual([]);
    const text = await page.locator('main').textContent();
    expect(text).toContain('INCONCLUSIVE');
    expect(text).toContain('No leg has closed yet.');
    expect(text).toContain('too early to tell');
    expect(text).not.toContain('none come at present');
    expect(text).not.toMatch(/NaN|undefined|Infinity|null/);
  });

  test('the JUnit of a hostile run is well-formed for a real parser, which reads back what was meant', async () => {
    const gaps = [{ source: HOSTILE, from: 1, to: 2 }];
    const summary = { ...hostile.summary, gaps };
    const xml = reportJunit(summary, judge(summary));
    const { page } = await openPage(browser, '<!doctype html><title>parser</title>');
    const read = await page.evaluate<{ error: boolean; cases: string[]; output: string }>(`(() => {
      const parsed = new DOMParser().parseFromString(${JSON.stringify(xml)}, 'application/xml');
      return {
        error: parsed.querySelector('parsererror') !== null,
        cases: [...parsed.querySelectorAll('testcase')].map((each) => each.getAttribute('name')),
        output: parsed.querySelector('system-err').textContent,
      };
    })()`);
    expect(read.error).toBe(false);
    expect(read.cases).toHaveLength(7);
    expect(read.output).toContain('<b>\\x1b[31mred\\x1b[0m');
  });
});
