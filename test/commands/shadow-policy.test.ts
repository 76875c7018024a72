/** What the config says of a comparison: how its verdict is reached, and what is compared at all. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { generateTraffic } from '../shadow/traffic.js';
import { runCli, temporaryFolder } from './cli.js';
import { recordingsOf } from './shadow-recordings.js';

const TRAFFIC = generateTraffic({ seed: 7, days: 1, jobs: 300 });

describe('the policy of the config', () => {
  const compareWith = (shadowPolicy: object, args: readonly string[] = []) => {
    const recordings = recordingsOf(TRAFFIC);
    recordings.write('atma-events.config.json', JSON.stringify({ preset: 'atma', shadowPolicy }));
    return recordings.compare([...args, '--json']);
  };

  it('gives strata shares and waivers of their own', async () => {
    const waiver = { who: 'Rina', when: '2024-03-01', why: 'four a month' };
    const { stdout } = await compareWith({
      strata: [
        { eventType: 'analysis.started', consumer: 'assessment', tolerated: 0.1 },
        { eventType: 'analysis.failed', consumer: 'assessment', waiver },
      ],
    });
    const { strata, reasons } = JSON.parse(stdout);
    const named = (eventType: string) =>
      strata.find(
        (each: Record<string, unknown>) => each.eventType === eventType && each.consumer === 'assessment',
      );
    expect(named('analysis.started')).toMatchObject({ tolerated: 0.1, neededCleanLegs: 0 });
    expect(named('analysis.failed')).toMatchObject({ waiver });
    expect(reasons).toContainEqual(
      expect.objectContaining({
        code: 'waived',
        text: expect.stringContaining('Waived by Rina on 2024-03-01'),
      }),
    );
  });

  it('has a budget that an option overrides, and that is a minute where nobody says one', async () => {
    const budgetOf = ({ stdout }: { stdout: string }) => JSON.parse(stdout).budgetMs;
    expect(budgetOf(await compareWith({ budget: '5s' }))).toBe(5_000);
    expect(budgetOf(await compareWith({ budget: '5s' }, ['--budget', '200ms']))).toBe(200);
    expect(budgetOf(await compareWith({}))).toBe(60_000);
  });

  it('names no stratum that the mapping lacks', async () => {
    const strata = [{ eventType: 'analysis.complete', consumer: 'assessment', tolerated: 0.1 }];
    const { exitCode, stderr } = await compareWith({ strata });
    expect(exitCode).toBe(2);
    expect(stderr).toContain(
      'shadowPolicy names "analysis.complete × assessment", which the shadow mapping lacks',
    );
    expect(stderr).toContain('Did you mean "analysis.completed × assessment"?');
  });
});

it('a config without a mapping is told what it needs', async () => {
  const folder = temporaryFolder();
  for (const name of ['callbacks.jsonl', 'events.jsonl']) writeFileSync(join(folder, name), '');
  writeFileSync(join(folder, 'atma-events.config.json'), '{"events":[]}');
  const { exitCode, stderr } = await runCli(
    ['shadow', 'compare', '--callbacks', 'callbacks.jsonl', '--events', 'events.jsonl'],
    { cwd: folder },
  );
  expect(exitCode).toBe(2);
  expect(stderr).toContain('does not say which callbacks the events replace');
});
