/** Stores of live runs, as a recording leaves them. */
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openRecording, type Recording } from '../../src/shadow/recording.js';
import { SHADOW, TOPOLOGY } from '../shadow/scene.js';
import { generateTraffic, type Line, type TrafficOptions } from '../shadow/traffic.js';
import { temporaryFolder } from './cli.js';

export interface StoredRunOptions {
  readonly traffic?: TrafficOptions;
  /** Milliseconds since it was last saved. Default 0. */
  readonly savedAgo?: number;
  /** `goesOn`: this process records on; `killed`: nobody does, and nobody ended it. */
  readonly how: 'goesOn' | 'ended' | 'killed';
  /** What the flag file was while it was recorded, in order. Default: nobody looked. */
  readonly flags?: readonly (string | null)[];
  /** Where it is kept. Default: the usual place, in a folder of its own. */
  readonly path?: string;
}

/** Four legs per job, all of them in order. */
const FEW = { seed: 12, days: 0.1, jobs: 100 };
const MINUTE = 60_000;

/** A folder with a store in its usual place, whose traffic ended some minutes before it was saved. */
export function storedRun({ traffic = FEW, savedAgo = 0, how, flags = [], path: given }: StoredRunOptions) {
  const folder = temporaryFolder();
  const path = given ?? join(folder, '.atma-events', 'shadow.db');
  const savedAt = Date.now() - savedAgo;
  const { callbacks, events } = generateTraffic(traffic);
  const last = Math.max(...[...callbacks, ...events].map(({ at }) => at));
  const by = savedAt - 30 * MINUTE - last;
  const recording = openRecording(
    {
      path,
      mapping: SHADOW,
      topology: TOPOLOGY,
      sources: { proxy: 'callback', taps: 'event' },
      budgetMs: 5_000,
    },
    savedAt - 1_000_000,
  );
  onTestFinished(() => recording.close());
  const sources = ['proxy', 'taps'];
  for (const source of sources) recording.take({ kind: 'up', source, at: 1 }, savedAt);
  for (const hash of flags) recording.take({ kind: 'flag', hash, at: savedAt - 1_000 }, savedAt);
  for (const line of callbacks) take(recording, 'callback', line, by);
  for (const line of events) take(recording, 'event', line, by);
  for (const source of sources) recording.take({ kind: 'watermark', source, at: savedAt - 1 }, savedAt);
  recording.checkpoint(savedAt, how === 'ended');
  if (how !== 'goesOn') recording.close();
  return { folder, path };
}

function take(recording: Recording, kind: 'callback' | 'event', line: Line, by: number): void {
  const at = new Date(line.at + by).toISOString();
  const time = kind === 'callback' ? { at } : { receivedAt: at };
  const source = kind === 'callback' ? 'proxy' : 'taps';
  recording.take({ kind, source, line: JSON.stringify({ ...line.record, ...time }) }, line.at + by);
}

/** A config by whose policy some five good legs in a stratum are enough. */
export const EASY = JSON.stringify({
  preset: 'atma',
  shadowPolicy: {
    strata: ['completed', 'failed', 'started'].flatMap((type) =>
      ['notification', 'assessment'].map((consumer) => ({
        eventType: `analysis.${type}`,
        consumer,
        tolerated: 0.5,
      })),
    ),
  },
});
