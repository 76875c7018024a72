/** What `replay-dlq` is asked for, checked before anything is looked at. */
import { EventsError } from '../core/errors.js';
import { argument } from '../terminal/options.js';
import type { Session } from './deps.js';

export interface ReplayDlqOptions {
  readonly group: readonly string[];
  readonly filter?: string;
  readonly ids?: readonly string[];
  readonly limit?: number;
  readonly to?: string;
  readonly rate?: number;
  readonly canary?: number;
  /** Milliseconds. */
  readonly canaryWait?: number;
  /** Per cent. */
  readonly maxDeaths?: number;
  readonly dryRun: boolean;
  readonly resume?: string;
  readonly abandon?: string;
  readonly ledger?: string;
  readonly yes: boolean;
}

/** `10` or `10%`, from 0 to 100. */
export const percentage = argument((text: string) => {
  const [, digits = ''] = /^(\d+(?:\.\d+)?) *%?$/.exec(text) ?? [];
  const value = Number(digits);
  if (digits === '' || value > 100) {
    throw new EventsError('usage', `"${text}" is not a percentage from 0 to 100`);
  }
  return value;
});

/** Throws `usage` on what does not go together, and where nobody can be asked. */
export function checkReplayUsage(
  queues: readonly string[],
  options: ReplayDlqOptions,
  { terminal, globals }: Session,
): void {
  const known = options.resume ?? options.abandon;
  if (options.resume !== undefined && options.abandon !== undefined) {
    throw new EventsError('usage', 'Give either --resume or --abandon');
  }
  if (known !== undefined) {
    const given = [
      queues.length > 0 && 'queue names',
      options.group.length > 0 && '--group',
      options.filter !== undefined && '--filter',
      options.ids !== undefined && '--ids',
      options.limit !== undefined && '--limit',
      options.to !== undefined && '--to',
      options.dryRun && '--dry-run',
    ].filter((name) => name !== false);
    if (given.length > 0) {
      throw new EventsError('usage', `A replay's own ${given.join(', ')} are in the ledger`, {
        hint: '--resume and --abandon take the id of the replay, --ledger and --yes; --resume also --rate and --canary.',
      });
    }
  }
  if (options.canary === undefined && (options.canaryWait ?? options.maxDeaths) !== undefined) {
    throw new EventsError('usage', '--canary-wait and --max-deaths go with --canary');
  }
  if (known !== undefined || terminal.interactive) return;
  if (queues.length === 0) {
    throw new EventsError('usage', 'No dead-letter queue named', {
      hint: 'atma-events dlq list shows them. On a terminal, replay-dlq without arguments lets you pick.',
    });
  }
  if (!options.yes && !options.dryRun) {
    throw new EventsError('usage', 'A replay moves messages: without a terminal to ask on it needs --yes', {
      hint: `See first what it would do: --dry-run.${globals.json ? ' With --json nobody is asked.' : ''}`,
    });
  }
}
