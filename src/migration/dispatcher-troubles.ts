/** What a dispatcher with all its parts tells, in one form; and how it is told where nobody listens. */
import { seldom } from '../core/consuming/seldom.js';
import { describeOutboxTrouble, type OutboxTrouble } from '../core/publishing/outbox-trouble.js';
import { lineForPeople } from '../core/safe-text.js';
import type { CallbackCircuitChange } from '../legacy/callback-client-options.js';
import { type DispatchTrouble, describeDispatchTrouble } from './dispatched.js';
import type { FlagTrouble } from './flag-watch.js';

/** `text` is one line fit for people, without passwords and e-mail addresses. */
export type DispatcherTrouble = { readonly text: string } & (
  | { readonly about: 'fact'; readonly trouble: DispatchTrouble }
  | { readonly about: 'flag'; readonly trouble: FlagTrouble }
  | { readonly about: 'outbox'; readonly trouble: OutboxTrouble }
  | {
      readonly about: 'callbacks';
      /** Those in dry run have a circuit of their own. */
      readonly dryRun: boolean;
      readonly trouble: CallbackCircuitChange;
    }
);

export type TellTrouble = (trouble: DispatcherTrouble) => void;

/** One listener for each part, which all end in `tell`. */
export function partListeners(tell: TellTrouble) {
  return {
    fact: (trouble: DispatchTrouble) =>
      tell({ about: 'fact', trouble, text: lineForPeople(describeDispatchTrouble(trouble)) }),
    flag: (trouble: FlagTrouble) => tell({ about: 'flag', trouble, text: lineForPeople(trouble.text) }),
    outbox: (trouble: OutboxTrouble) =>
      tell({ about: 'outbox', trouble, text: lineForPeople(describeOutboxTrouble(trouble)) }),
    callbacks: (trouble: CallbackCircuitChange) => tell(aboutCircuit(trouble, false)),
    dryRunCallbacks: (trouble: CallbackCircuitChange) => tell(aboutCircuit(trouble, true)),
  };
}

function aboutCircuit(trouble: CallbackCircuitChange, dryRun: boolean): DispatcherTrouble {
  const text = describeCircuit(trouble, dryRun ? 'Callbacks in dry run' : 'Callbacks');
  return { about: 'callbacks', dryRun, trouble, text: lineForPeople(text) };
}

function describeCircuit({ service, state, pauseMs, cause }: CallbackCircuitChange, what: string): string {
  switch (state) {
    case 'open':
      return `${what} to ${service} are not sent for ${Math.ceil(pauseMs / 1_000)} s: its last requests failed (${cause ?? 'no reason known'})`;
    case 'half-open':
      return `${what} to ${service}: one is sent, to see whether the service is back`;
    case 'closed':
      return `${what} to ${service} are sent again`;
  }
}

/** What goes wrong a thousand times is told once a minute. */
const WARNING_PAUSE_MS = 60_000;

/** As warnings of the process, so that nothing goes wrong without a word. */
export function warnOfTroubles(
  warn: (text: string) => void = (text) => process.emitWarning(text, 'EventDispatcher'),
  now: () => number = () => performance.now(),
): TellTrouble {
  const mayTell = seldom(WARNING_PAUSE_MS, now);
  return (told) => {
    const untold = mayTell(keyOf(told));
    if (untold === undefined) return;
    warn(untold === 0 ? told.text : `${told.text} (${untold} more like this since it was last told)`);
  };
}

/** Troubles of one key are alike. */
function keyOf(told: DispatcherTrouble): string {
  switch (told.about) {
    case 'fact':
      return `fact ${told.trouble.kind} ${told.trouble.type} ${'service' in told.trouble ? told.trouble.service : ''}`;
    case 'callbacks':
      return `callbacks ${told.dryRun} ${told.trouble.service} ${told.trouble.state}`;
    // Told seldom by themselves, and no two of them are alike.
    case 'flag':
    case 'outbox':
      return `${told.about} ${told.text}`;
  }
}
