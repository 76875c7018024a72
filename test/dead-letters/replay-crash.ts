/** Replays that are killed, and what must be true afterwards. */
import { expect } from 'vitest';
import { resumeReplay, startReplay } from '../../src/dead-letters/replay.js';
import type { ReplayReport } from '../../src/dead-letters/replay-types.js';
import { openDatabase } from '../../src/storage/sqlite.js';
import * as programs from '../transports/contract/program.js';
import { fillNameless, fillQueue, type Stage } from './replay-stage.js';

/** Dead letters of a round: every tenth without a message id, told apart by its body. */
export async function fillRound({ transport, names }: Stage, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, at) => `m-${at + 1}`);
  const named = ids.filter((_, at) => at % 10 !== 9);
  await fillQueue(transport, names, named);
  await fillNameless(
    transport,
    names,
    ids.filter((id) => !named.includes(id)),
  );
  return ids;
}

/** `die`: kills itself when it comes to the step for the n-th time. `hang`: stands still there, its connections open. */
export function startProgram(
  stage: Stage,
  step: string,
  n: number,
  how: 'die' | 'hang' = 'die',
): programs.Program {
  const args = [stage.url, stage.ledger.path, stage.names.dlq, step, String(n), how];
  return programs.startProgram('../../dead-letters/programs/replay.mjs', args);
}

/** Brings the replay to its end; begins one where the process was killed before it had begun. */
export async function bringToEnd({ transport, ledger, names }: Stage): Promise<ReplayReport> {
  const unfinished = ledger.unfinished(await transport.identity(), names.dlq);
  return unfinished === undefined
    ? startReplay(transport, ledger, { queue: names.dlq, target: { kind: 'queue' } })
    : resumeReplay(transport, ledger, unfinished.id);
}

/** Every dead letter was brought back; twice only where the ledger says that it may be. */
export async function expectAllBroughtBack(
  stage: Stage,
  ids: readonly string[],
  report: ReplayReport,
): Promise<number> {
  const { names, ledger } = stage;
  expect(report.error?.message).toBeUndefined();
  expect(report, JSON.stringify(report)).toMatchObject({ left: 0, skipped: {} });
  expect(report.stopped).toBeUndefined();
  const bodies = (await stage.contents(names.work)).map(
    ({ body }) => JSON.parse(body.toString()).id as string,
  );
  const copies = new Map<string, number>();
  for (const id of bodies) copies.set(id, (copies.get(id) ?? 0) + 1);
  expect(ids.filter((id) => !copies.has(id))).toEqual([]);
  expect(await stage.ready(names.dlq)).toBe(0);
  expect(ledger.find(report.id)).toMatchObject({ state: 'finished', claimed: 0, confirmed: 0, missing: 0 });
  const twice = [...copies].filter(([, count]) => count > 1).map(([id]) => id);
  const doubted = doubtedIds(stage);
  const nameless = twice.filter((id) => Number(id.slice(2)) % 10 === 0);
  expect(twice.filter((id) => !nameless.includes(id) && !doubted.has(id))).toEqual([]);
  expect(bodies.length - ids.length).toBeLessThanOrEqual(report.possibleDuplicates);
  return bodies.length - ids.length;
}

/** Message ids that the ledger has as perhaps sent twice. */
function doubtedIds({ ledger }: Stage): Set<string> {
  const database = openDatabase(ledger.path, { readonly: true });
  try {
    const rows = database.prepare('SELECT id FROM message WHERE doubt > 0 AND id IS NOT NULL').all();
    return new Set(rows.map(([id]) => String(id)));
  } finally {
    database.close();
  }
}
