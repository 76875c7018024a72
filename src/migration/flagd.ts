/**
 * flagd's evaluator, loaded when it is first needed (40 ms). By `require`, so that whoever reads a flag file need not wait
 * for a promise.
 */
import { createRequire } from 'node:module';
import type { FlagdCore } from '@openfeature/flagd-core';
import { messageOf } from '../core/errors.js';
import { lineForPeople } from '../core/safe-text.js';

type Flagd = typeof import('@openfeature/flagd-core');

export type Evaluator = Pick<FlagdCore, 'resolveStringEvaluation' | 'resolveBooleanEvaluation'>;

/** What it would log is an answer that the caller looks at anyway. */
const SILENT = { error() {}, warn() {}, info() {}, debug() {} };

/**
 * Rules are interpreted, not compiled with `new Function`: where that is forbidden, flagd would silently give all jobs the
 * default. It costs 0.1 microseconds per answer.
 */
const OPTIONS = { disableDynamicCodeGeneration: true };

let loaded: Flagd | undefined;

function flagd(): Flagd {
  loaded ??= createRequire(import.meta.url)('@openfeature/flagd-core') as Flagd;
  return loaded;
}

/** Answers for the flags in `text`, which must be well-formed. No I/O. */
export function evaluatorOf(text: string): Evaluator {
  const { FlagdCore, MemoryStorage } = flagd();
  const storage = new MemoryStorage(SILENT, OPTIONS);
  storage.setConfigurations(text, true);
  return new FlagdCore(storage, SILENT, OPTIONS);
}

/** What flagd's own schema has against a text that is JSON; undefined: nothing. One line, fit for people. */
export function schemaComplaint(text: string): string | undefined {
  try {
    evaluatorOf(text);
    return undefined;
  } catch (error) {
    return lineForPeople(firstIssues(error)).slice(0, MOST_SAID);
  }
}

const MOST_ISSUES = 3;
/** Characters. */
const MOST_SAID = 500;

/** The message of a schema error ends with all issues as JSON: one for each kind of flag that it could have been. */
function firstIssues(error: unknown): string {
  const message = messageOf(error);
  try {
    const list: unknown = JSON.parse(message.slice(message.indexOf('[')));
    const texts = (list as { instancePath?: string; message?: string }[]).map(
      ({ instancePath = '', message: text = '' }) => `${instancePath} ${text}`.trim(),
    );
    return [...new Set(texts)].slice(0, MOST_ISSUES).join('; ');
  } catch {
    const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : '';
    return message + cause;
  }
}
