/** Opens pages of reports as whoever got them by mail would: from a file, without a network. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { onTestFinished } from 'vitest';
import { reportHtml } from '../../../src/shadow/report/html.js';
import type { JudgedRun } from './planted.js';

export interface OpenPage {
  readonly page: Page;
  /** Everything that the page said on the console, and every error in it. */
  readonly complaints: readonly string[];
  /** Everything that it asked for beside itself. */
  readonly requests: readonly string[];
}

export const GENERATED_AT = Date.parse('2024-02-01T00:00:00Z');

export function htmlOf(run: JudgedRun, title = 'ATMA, January'): string {
  return reportHtml({ ...run, generatedAt: GENERATED_AT, title });
}

export async function openPage(
  browser: Browser,
  html: string,
  options: BrowserContextOptions = {},
): Promise<OpenPage> {
  const folder = mkdtempSync(join(tmpdir(), 'atma-page-'));
  const context = await browser.newContext({ offline: true, ...options });
  onTestFinished(async () => {
    await context.close();
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, 'report.html');
  writeFileSync(file, html);
  const page = await context.newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  const url = pathToFileURL(file).href;
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (request.url() !== url) requests.push(request.url());
  });
  await page.goto(url);
  return { page, complaints, requests };
}

/** The id of what has the focus, or the name of its element. */
export const focused = (page: Page) =>
  page.evaluate<string>('document.activeElement.id || document.activeElement.localName');

/** Presses Tab until something has the focus; fails after too many. */
export async function tabTo(page: Page, wanted: string): Promise<void> {
  for (let press = 0; press < 60; press++) {
    if ((await focused(page)) === wanted) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`the keyboard does not reach "${wanted}"`);
}

/**
 * Contrast of each text with what is behind it, by WCAG 2: the lowest first. In the page, as styles are known only there.
 */
export const CONTRASTS = `(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = numbers(colour).map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const { backgroundColor } = getComputedStyle(each);
      if (numbers(backgroundColor)[3] !== 0) return backgroundColor;
    }
    return 'rgb(255, 255, 255)';
  };
  return [...document.querySelectorAll('body *')]
    .filter((element) => element.checkVisibility() && !element.closest('svg, script, .unseen, .skip'))
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ''))
    .map((element) => {
      const [a, b] = [light(getComputedStyle(element).color), light(behind(element))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), element.outerHTML.slice(0, 80)];
    })
    .sort((a, b) => a[0] - b[0]);
})()`;
