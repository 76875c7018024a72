/** A real browser for tests of pages, without a window and without a network. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { findProgram } from './programs.js';

const NAMES = [
  'chromium-headless-shell',
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
];
const BUNDLES = ['Chromium', 'Google Chrome'].map(
  (name) => `/Applications/${name}.app/Contents/MacOS/${name}`,
);

/** Any browser of the family, looked up as `scripts/brokers.mjs` does; undefined without one. */
export function findChromium(): string | undefined {
  return (
    NAMES.map((name) => findProgram(name)).find((path) => path !== undefined) ?? BUNDLES.find(existsSync)
  );
}

/** Takes about a second. */
export async function startChromium(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined)
    throw new Error('Chromium is not installed here (chromium-headless-shell)');
  // Root, as in containers, has no sandbox to start it in; it opens nothing but files of ours.
  return chromium.launch({ executablePath, chromiumSandbox: process.getuid?.() !== 0 });
}
