import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

/** The command line as it is started. */
const BUNDLE = fileURLToPath(new URL('../../../dist/bundle', import.meta.url));

it('the command line loads neither the OpenTelemetry API (16 ms), nor the policy library (20 ms), nor axios (60 ms)', () => {
  const chunks = readdirSync(BUNDLE, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.js'),
  );
  expect(chunks).toContain('main.js');
  const guilty = chunks.filter((name) =>
    /['"](@opentelemetry\/api|cockatiel|axios)['"]/.test(readFileSync(`${BUNDLE}/${name}`, 'utf8')),
  );
  expect(guilty).toEqual([]);
});
