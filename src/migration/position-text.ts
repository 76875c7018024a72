/** Positions as people read and type them. */
import type { Position } from '../core/migration/stage.js';

/** `live at 25 %`, or `live` for all jobs. */
export function positionText({ stage, percent }: Position): string {
  return percent === 100 ? stage : `${stage} at ${percent} %`;
}

/** The command that moves there, its reason left to whoever types it. */
export function moveCommand({ stage, percent }: Position): string {
  return `atma-events flag set ${stage}${percent === 100 ? '' : ` --percent ${percent}`} --reason "…"`;
}
