/** What the tests of `flag` have in common: a folder whose flag stands somewhere, and one in which the gate is open. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Position } from '../../src/core/migration/stage.js';
import type { Delivery, Transport } from '../../src/core/transport.js';
import { readFlagFile } from '../../src/migration/flag-file.js';
import { moveFlag } from '../../src/migration/flip.js';
import { atma } from '../../src/presets/atma.js';
import { createTransport } from '../../src/transports/index.js';
import { type CliOptions, type CliResult, runCli, temporaryFolder } from './cli.js';
import { EASY, type StoredRunOptions, storedRun } from './shadow-stores.js';

const QUEUES = ['analysis_events_notifications', 'analysis_events_assessments'];

export interface FlagFolder {
  readonly cwd: string;
  readonly file: string;
  readonly options: CliOptions;
  /** Runs `flag …` to its end. */
  flag(...args: readonly string[]): Promise<CliResult>;
  /** `stage` and `percent` of the flag file. */
  stands(): Position;
}

export function flagFolder(cwd = temporaryFolder(), file = join(cwd, 'flags.json')): FlagFolder {
  const options = { cwd, env: { ATMA_EVENTS_FLAG_FILE: file, ATMA_EVENTS_USER: 'rina' } };
  return {
    cwd,
    file,
    options,
    flag: (...args) => runCli(['flag', ...args], options),
    stands() {
      const { stage, percent } = readFlagFile(file).state;
      return { stage, percent };
    },
  };
}

/** Puts the flag there as an operator with `--force` may. Gives the hash of the file. */
export async function putFlag(file: string, to: Position, reason = 'for the test'): Promise<string> {
  const { hash: expected } = readFlagFile(file);
  const { hash } = await moveFlag({
    ...{ file, to, expected, by: 'budi on elsewhere', reason },
    ...{ forced: true, evidence: null, now: Date.now },
  });
  return hash;
}

export interface OpenGate extends FlagFolder {
  readonly transport: Transport;
  /** What the two services do with a delivery from now on. Default: ack. */
  handle(how: (delivery: Delivery) => unknown): void;
}

/** A flag in `shadow`, by one move, and all that the gate to `live` asks for. */
export async function openGate(run: Partial<StoredRunOptions> = {}): Promise<OpenGate> {
  const folder = flagFolder(temporaryFolder(), join(temporaryFolder(), 'flags.json'));
  await putFlag(folder.file, { stage: 'shadow', percent: 100 });
  return openGateIn(folder, run);
}

/** All that the gate to the next stage asks for: a SAFE run about the flag as it is, empty queues, consumers. */
export async function openGateIn(folder: FlagFolder, run: Partial<StoredRunOptions> = {}): Promise<OpenGate> {
  const { cwd, file } = folder;
  const path = join(cwd, '.atma-events', 'shadow.db');
  storedRun({ how: 'goesOn', flags: [readFlagFile(file).hash], path, ...run });
  writeFileSync(join(cwd, 'atma-events.config.json'), EASY);
  const transport = await createTransport(`embedded:${join(cwd, '.atma-events', 'broker.db')}`);
  onTestFinished(() => transport.close());
  await transport.apply(atma.build({}).topology);
  let handle: (delivery: Delivery) => unknown = (delivery) => delivery.ack();
  for (const queue of QUEUES) {
    await transport.consume(queue, { prefetch: 1 }, (delivery) => void handle(delivery));
  }
  return {
    ...folder,
    transport,
    handle(how) {
      handle = how;
    },
  };
}

/** Publishes an event that both services get. */
export async function publishOne(transport: Transport): Promise<void> {
  await transport.publish({
    exchange: 'atma_events_exchange',
    routingKey: 'analysis.completed',
    body: Buffer.from('{}'),
    properties: { contentType: 'application/json' },
  });
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is the point
export const CONTROLS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/;
