/** Runs of planted traffic, compared and judged, to report on. */
import { compareRecords } from '../../../src/shadow/compare.js';
import { judgeRun } from '../../../src/shadow/judge-run.js';
import type { ShadowPolicy } from '../../../src/shadow/policy.js';
import type { LegRow, RunSummary } from '../../../src/shadow/run-summary.js';
import type { Judgement } from '../../../src/shadow/verdict.js';
import { MAPPING, SHADOW, TOPOLOGY } from '../scene.js';
import { bytesOf, createBook, makeJob, mulberry32, START, type Traffic } from '../traffic.js';

export interface JudgedRun {
  readonly summary: RunSummary;
  readonly judgement: Judgement;
  readonly legs: readonly LegRow[];
  readonly legCount: number;
}

const BUDGET_MS = 5_000;

export async function judgedRun(traffic: Traffic, policy: ShadowPolicy = { strata: [] }): Promise<JudgedRun> {
  const { summary, legRows, legCount } = await compareRecords({
    mapping: SHADOW,
    topology: TOPOLOGY,
    callbacks: bytesOf(traffic.callbacks),
    events: bytesOf(traffic.events),
    budgetMs: BUDGET_MS,
  });
  return { summary, judgement: judge(summary, policy), legs: legRows, legCount };
}

export function judge(summary: RunSummary, policy: ShadowPolicy = { strata: [] }): Judgement {
  return judgeRun(summary, policy, MAPPING);
}

export const HOSTILE =
  '</script><script>document.title="owned"</script><img src=x onerror="document.title=1">';
const DRIVING = '\u001b[31mred\u001b[0m\u202egnp.exe\u200b\u0000';

/** Jobs, messages and paths as an enemy would write them. */
export function hostileTraffic(): Traffic {
  const book = createBook();
  const job = {
    ...makeJob(START, mulberry32(1)),
    jobId: HOSTILE,
    errorMessage: `${DRIVING} budi@example.com`,
  };
  book.callback(job, 'notification', 'failed');
  book.callback(job, 'assessment', 'failed', {
    status: 400,
    answer: `<b>${DRIVING}</b> amqp://user:geheim@host`,
  });
  book.event(job, 'failed', { body: { errorMessage: 'x'.repeat(100_000) } });
  book.rawCallback(job.at, { method: 'POST', path: `/${HOSTILE}`, body: {}, status: 200 });
  const long = { ...makeJob(START + 1_000, mulberry32(2)), jobId: 'j'.repeat(190) };
  book.callback(long, 'assessment', 'completed', {
    body: { jobId: long.jobId, [HOSTILE]: 1, status: 'completed' },
  });
  return book.traffic();
}
