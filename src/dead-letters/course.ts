/** One run of one replay, and what it works on. */
import type { Transport } from '../core/transport.js';
import type { Ledger, ReplayRecord } from './ledger.js';
import type { LedgerRows } from './ledger-rows.js';
import type { ReplayLock } from './lock.js';
import type { ReplayDeps } from './replay-steps.js';
import type { ResumeOptions } from './replay-types.js';

export interface Course {
  readonly transport: Transport;
  readonly ledger: Ledger;
  readonly lock: ReplayLock;
  readonly record: ReplayRecord;
  readonly rows: LedgerRows;
  readonly options: ResumeOptions;
  readonly deps: Required<ReplayDeps>;
  /** Begun now, so that its total is what is there now. */
  readonly isNew: boolean;
}
