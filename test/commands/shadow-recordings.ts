/** Recordings of generated traffic as files, and the command on them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Line, Traffic } from '../shadow/traffic.js';
import { type CliOptions, runCli, temporaryFolder } from './cli.js';

export const textOf = (lines: readonly Line[]) =>
  lines.map(({ record }) => `${JSON.stringify(record)}\n`).join('');

export interface Recordings {
  readonly folder: string;
  /** Runs `shadow compare` on them. */
  compare(args?: readonly string[], options?: CliOptions): ReturnType<typeof runCli>;
  /** The document of `--json`, whatever the verdict is. */
  document(args?: readonly string[]): Promise<CompareDocument>;
  write(name: string, text: string): void;
}

/** The contract, written out by hand. */
export interface CompareDocument {
  readonly legs: { readonly [outcome: string]: number };
  readonly strata: readonly {
    readonly eventType: string;
    readonly consumer: string;
    readonly legs: number;
    readonly bad: number;
    readonly neededCleanLegs: number;
    readonly outcomes: { readonly [outcome: string]: number };
    readonly latency: { readonly legs: number; readonly bad: number; readonly budgetMs: number } | null;
  }[];
  readonly verdict: string;
  readonly reasons: readonly { readonly code: string; readonly text: string }[];
  readonly findings: readonly { readonly count: number; readonly says: string; readonly fix: string }[];
  readonly unmapped: readonly object[];
  readonly gaps: readonly object[];
  readonly observations: number;
  readonly windowMs: number;
  readonly budgetMs: number;
}

/** In a folder that is gone after the test. */
export function recordingsOf({ callbacks, events }: Pick<Traffic, 'callbacks' | 'events'>): Recordings {
  const folder = temporaryFolder();
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  write('callbacks.jsonl', textOf(callbacks));
  write('events.jsonl', textOf(events));
  const compare: Recordings['compare'] = (args = [], options = {}) =>
    runCli(['shadow', 'compare', '--callbacks', 'callbacks.jsonl', '--events', 'events.jsonl', ...args], {
      cwd: folder,
      ...options,
    });
  return {
    folder,
    write,
    compare,
    async document(args = []) {
      const { stdout, stderr } = await compare([...args, '--json']);
      if (stdout === '') throw new Error(stderr);
      return JSON.parse(stdout) as CompareDocument;
    },
  };
}

/** `<event type> <consumer> <outcome>` and how many legs, those that there are none of left out. */
export function foundIn({ strata }: CompareDocument): Record<string, number> {
  return Object.fromEntries(
    strata.flatMap(({ eventType, consumer, outcomes }) =>
      Object.entries(outcomes)
        .filter(([, count]) => count > 0)
        .map(([outcome, count]) => [`${eventType} ${consumer} ${outcome}`, count]),
    ),
  );
}

/** `<event type> <consumer>` and how many events came beyond the budget. */
export function beyondBudget({ strata }: CompareDocument): Record<string, number> {
  return Object.fromEntries(
    strata.flatMap(({ eventType, consumer, latency }) =>
      latency === null || latency.bad === 0 ? [] : [[`${eventType} ${consumer}`, latency.bad]],
    ),
  );
}
