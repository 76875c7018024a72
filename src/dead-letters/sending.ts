/** Publishes the messages of a batch and finds out what became of each. */
import { EventsError, isEventsError, messageOf } from '../core/errors.js';
import type { OutgoingMessage } from '../core/message.js';
import type { Transport } from '../core/transport.js';
import type { Pacer } from './pacer.js';
import type { SkipReason } from './replay-types.js';

/**
 * | outcome | the message |
 * |---|---|
 * | `confirmed` | is the broker's |
 * | `refused` | was not taken, with the reason; others may be |
 * | `unsent` | surely never left, and no other will |
 * | `unknown` | may or may not have arrived |
 */
export type Outcome =
  | { readonly kind: 'confirmed' }
  | { readonly kind: 'refused'; readonly reason: SkipReason; readonly error: EventsError }
  | { readonly kind: 'unsent' | 'unknown'; readonly error: EventsError };

export interface SendingDeps {
  readonly pacer: Pacer;
  /** Asked before what may have arrived is sent once more: it has to be on record. False: it is not sent. */
  readonly mayGoAgain: (indices: readonly number[]) => boolean;
  /** All are with the transport. */
  readonly onSent: () => void;
  readonly onConfirmed: (index: number) => void;
}

const CONFIRMED: Outcome = { kind: 'confirmed' };
/** A line that goes this often in the middle of one batch will not carry it. */
const MOST_ATTEMPTS = 10;

/** Outcomes in the order of the messages. Never rejects. */
export async function sendAll(
  transport: Transport,
  messages: readonly OutgoingMessage[],
  { pacer, mayGoAgain, onSent, onConfirmed }: SendingDeps,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = new Array(messages.length);
  let pending = messages.map((_, index) => index);
  for (let attempt = 1; ; attempt++) {
    const sent = new Countdown(pending.length);
    for (let at = 0; at < pending.length; ) {
      const granted = await pacer.take(pending.length - at);
      for (const index of pending.slice(at, at + granted)) {
        const message = messages[index];
        if (message === undefined) continue;
        transport.publish(message).then(
          () => {
            outcomes[index] = CONFIRMED;
            onConfirmed(index);
            sent.down();
          },
          (error: unknown) => {
            outcomes[index] = outcomeOf(error, message);
            sent.down();
          },
        );
      }
      at += granted;
    }
    onSent();
    await sent.atZero;
    pending = pending.filter((index) => outcomes[index]?.kind === 'unknown');
    if (pending.length === 0 || attempt === MOST_ATTEMPTS || !mayGoAgain(pending)) return outcomes;
  }
}

/** `Promise.all` for promises whose results nobody needs: without a closure and a slot for each. */
class Countdown {
  readonly atZero: Promise<void>;
  #reach: () => void = () => {};

  constructor(private left: number) {
    this.atZero = new Promise((resolve) => {
      this.#reach = resolve;
    });
    if (left === 0) this.#reach();
  }

  down(): void {
    if (--this.left === 0) this.#reach();
  }
}

function outcomeOf(thrown: unknown, { exchange }: OutgoingMessage): Outcome {
  const error = isEventsError(thrown) ? thrown : new EventsError('publish-refused', messageOf(thrown));
  switch (error.code) {
    case 'unroutable':
      return { kind: 'refused', reason: exchange === '' ? 'queue-missing' : 'unroutable', error };
    case 'exchange-missing':
      return { kind: 'refused', reason: 'exchange-missing', error };
    // What cannot be encoded (a routing key that is too long, say) is refused before it is sent.
    case 'publish-refused':
    case 'usage':
      return { kind: 'refused', reason: 'publish-refused', error };
    case 'publish-unknown':
      return { kind: 'unknown', error };
    default:
      return { kind: 'unsent', error };
  }
}
