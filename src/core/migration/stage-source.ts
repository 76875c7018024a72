/** What a dispatcher asks before it sends a fact. Kept in memory: no I/O, under 2 microseconds. */
import type { Stage } from './stage.js';

/** What is decided for one job, once for both paths. */
export interface StageDecision {
  readonly stage: Stage;
  /** Counts the flips of the flag; 0 where there is no flag file. */
  readonly epoch: number;
  /** In `rampdown`: this job's callbacks belong to the sample that is still sent. */
  readonly inSample: boolean;
}

export interface StageSource {
  /** The same job gets the same answer until the flag is moved. Without a job id: the stage of the jobs not yet moved. */
  decide(jobId: string | undefined): StageDecision;
}
