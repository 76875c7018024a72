/** A flag file in a folder of its own, and moves of it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Position, Stage } from '../../src/core/migration/stage.js';
import { readFlagFile } from '../../src/migration/flag-file.js';
import { type FlipDeps, type MoveRequest, type MoveResult, moveFlag } from '../../src/migration/flip.js';
import { temporaryFolder } from '../commands/cli.js';

/** Milliseconds since 1970; each request is a second later. */
export const BEGUN = Date.parse('2026-03-01T02:00:00Z');

export interface FlagScene {
  readonly folder: string;
  readonly file: string;
  text(): string;
  write(text: string): void;
  /** A move of the flag as it is now. */
  request(to: Position, more?: Partial<MoveRequest>): MoveRequest;
  move(to: Position, more?: Partial<MoveRequest>, deps?: FlipDeps): Promise<MoveResult>;
}

/** Gone when the test ends. */
export function flagScene(): FlagScene {
  const folder = join(temporaryFolder(), 'flags');
  mkdirSync(folder);
  const file = join(folder, 'flags.json');
  let moves = 0;
  const request: FlagScene['request'] = (to, more) => {
    const time = BEGUN + 1_000 * moves++;
    return {
      ...{ file, to, expected: readFlagFile(file).hash, by: 'rina on laptop', reason: 'as planned' },
      ...{ forced: false, evidence: null, now: () => time },
      ...more,
    };
  };
  return {
    folder,
    file,
    text: () => readFileSync(file, 'utf8'),
    write: (text) => writeFileSync(file, text),
    request,
    move: (to, more, deps) => moveFlag(request(to, more), deps),
  };
}

export const at = (stage: Stage, percent = 100): Position => ({ stage, percent });

/** The smallest flag file that a person writes. */
export const byHand = (stage: Stage) =>
  JSON.stringify({
    flags: {
      'migration-stage': { state: 'ENABLED', variants: { [stage]: stage }, defaultVariant: stage },
    },
  });
