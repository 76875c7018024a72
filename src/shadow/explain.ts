/** A leg that is not in order, in words for the person who has to put it right: what was seen, and what to do. */
import type { Details, DifferenceShown, MissingBecause } from './details.js';
import type { Drift } from './drift.js';
import type { Leg, Mapping } from './mapping.js';
import { UNKNOWN_STATUS } from './observation.js';
import { seconds } from './quantities.js';

export interface Explanation {
  readonly says: string;
  readonly fix: string;
}

/** Explains the details of a leg; `leg` is its index in the mapping. */
export function explain(mapping: Mapping, leg: number, details: Details): Explanation {
  const own = mapping.legs[leg];
  if (own === undefined) throw new RangeError(`the mapping has no leg ${leg}`);
  const { kind } = details;
  switch (kind) {
    case 'invalid':
      return {
        says: `An ${own.eventType} event does not fit the catalog: ${details.problem || 'nobody noted why'}.`,
        fix: `Let its publisher send what the catalog says (\`events show ${own.eventType}\`), or mend the catalog if that is wrong.`,
      };
    case 'refused':
      return explainRefusal(own, details);
    case 'mismatch':
      return explainMismatch(own, details.fields);
    case 'missingEvent':
      return explainMissing(own, details.because);
    case 'missingCallback':
      return details.inGap
        ? {
            says: `The ${own.eventType} event came, and no callback was seen; the callbacks have a gap there.`,
            fix: 'Compare again with a recording of callbacks that has no gap.',
          }
        : {
            says: `The ${own.eventType} event came, and no callback ${routeName(own)}.`,
            fix: `See whether every sender posts its callbacks through the proxy: a worker whose ${own.consumer} service URL still points past it is not seen. If the callback really was not sent, the event is the better path already.`,
          };
    case 'duplicate':
      return explainDuplicate(own, details);
    case 'outOfOrder':
      return details.what === 'begin'
        ? {
            says: `${own.eventType} came after the outcome that it begins.`,
            fix: 'Publish both over one channel, in order, and await the confirm of the first; a consumer must not let a late beginning undo an outcome.',
          }
        : {
            says: `The ${own.eventType} event of a later attempt came before that of an earlier one; the callbacks were in order.`,
            fix: 'Publish the events of one job over one channel, in order; a consumer must not let an older attempt overwrite a newer one.',
          };
    case 'late':
      return {
        says: `The ${own.eventType} event came ${seconds(details.byMs)} after the callback.`,
        fix: `See what holds the publisher back (confirms, retries, an outbox that is drained seldom), and whether ${own.queue} is far behind.`,
      };
  }
}

function explainRefusal(leg: Leg, details: Extract<Details, { kind: 'refused' }>): Explanation {
  const { status, times, drifts, alias, words } = details;
  const often = times > 1 ? `, ${times} times` : '';
  const quote = words === undefined ? '' : ` It said: ${words}`;
  const path = alias ?? leg.route?.path ?? '';
  const service = `The ${leg.consumer} service`;
  if (status === UNKNOWN_STATUS) {
    return {
      says: `${capital(words ?? 'the caller went away')} before ${service.toLowerCase()} had answered ${leg.route?.method} ${path}${often}: whether it was accepted is not known.`,
      fix: `See what the sender waits for at most (its timeout), and how long the ${leg.consumer} service takes. It counts neither for nor against the events.`,
    };
  }
  if (status === 0) {
    return {
      says: `${service} did not answer ${leg.route?.method} ${path}${often}${words === undefined ? '' : `: ${words}`}.`,
      fix: `See whether the ${leg.consumer} service runs and is reached from the proxy; the sender logs the failure and moves on, so nobody was told.`,
    };
  }
  const says = `${service} answered ${status} to ${leg.route?.method} ${path}${often}`;
  if (alias !== undefined && (status === 404 || status === 405)) {
    return {
      says: `${says}: the path is not the one it listens on, ${leg.route?.path}.${quote}`,
      fix: `Correct the path in the sender: ${leg.route?.path} instead of ${alias}.`,
    };
  }
  if (drifts.length > 0) {
    return {
      says: `${says}: ${drifts.map((drift) => saysOf(drift)).join('; ')}.${quote}`,
      fix: `${drifts.map((drift) => fixOf(drift, leg)).join(' ')} Until then this callback never arrives.`,
    };
  }
  return { says: `${says}.${quote}`, fix: fixOfStatus(status, leg) };
}

function saysOf(drift: Drift): string {
  if (drift.kind === 'renamed') {
    const snake = drift.field.includes('_') && !drift.sent.includes('_') ? ' (snake case)' : '';
    return `it wants ${drift.field}${snake}, and the body has ${drift.sent}`;
  }
  return drift.kind === 'missing'
    ? `${drift.field} is required, and the body has none`
    : `${drift.field} is null, which it does not accept`;
}

function fixOf(drift: Drift, leg: Leg): string {
  if (drift.kind === 'renamed') {
    return `Send ${drift.field} instead of ${drift.sent}, or let the ${leg.consumer} service accept both.`;
  }
  if (drift.kind === 'null') {
    return `Leave ${drift.field} out or let the ${leg.consumer} service accept null: ${leg.eventType} may have none.`;
  }
  const mapped = leg.fields.find(({ callback }) =>
    callback.paths.some((path) => path.join('.') === drift.field),
  );
  const source = mapped?.event.paths[0]?.join('.');
  const known = source === undefined ? '' : ` (the event has it as ${source})`;
  return `Add ${drift.field} to the body${known}, or make it optional in the ${leg.consumer} service.`;
}

function fixOfStatus(status: number, { consumer, route }: Leg): string {
  if (status === 401 || status === 403) {
    return `Check the sender's X-Service-Key and X-Internal-Service headers: the ${consumer} service does not trust it.`;
  }
  if (status === 404 || status === 405) {
    return `The ${consumer} service has no ${route?.method} ${route?.path}: see that the upstream URL is its own and has no path too many, and which version runs.`;
  }
  if (status === 429) return `The ${consumer} service sheds load: let the sender slow down and try again.`;
  if (status < 500) return `See in the log of the ${consumer} service what it found wrong with the body.`;
  return `See the log of the ${consumer} service: it failed on its own. Whether the callback had its effect before is not known.`;
}

function explainMismatch(leg: Leg, fields: readonly DifferenceShown[]): Explanation {
  const differences = fields.map(({ field, callback, event, changed }) => {
    const again = changed === undefined ? '' : ` (the ${changed} changed what it said)`;
    if (callback === undefined || event === undefined) {
      const known = callback === undefined ? event : callback;
      return `${field} differs${known === undefined ? '' : `, one side says ${known}`}${again}`;
    }
    return `${field} is ${callback} by HTTP and ${event} in the event${again}`;
  });
  const names = fields.map(({ field }) => field);
  return {
    says: `The callback and the event do not say the same: ${differences.join('; ')}.`,
    fix: names.includes('outcome')
      ? `The two paths tell the ${leg.consumer} service opposite outcomes: let the sender decide the outcome once and tell it on both paths from one place.`
      : `Let the sender fill ${names.join(', ')} on both paths from one place. If they mean the same, map them: an alias, a synonym (same) or a tolerance.`,
  };
}

const MISSING: { readonly [because in MissingBecause]: (leg: Leg) => Explanation } = {
  'collector-gap': ({ eventType }) => ({
    says: `No ${eventType} event was seen; the recording of events has a gap there.`,
    fix: 'Nothing can be said about it: start a new run, or compare with a recording that has no gap.',
  }),
  unroutable: ({ eventType, queue }) => ({
    says: `The ${eventType} event was published, and no binding leads it to ${queue}.`,
    fix: `Bind ${queue} with key ${eventType} to the exchange that the event is published on (\`setup\` does), and publish with mandatory so that it is told.`,
  }),
  'dead-lettered': ({ eventType, queue }) => ({
    says: `The ${eventType} event came to ${queue} and was dead-lettered.`,
    fix: `See why with \`dlq list\` and \`dlq show\`, mend the consumer, then \`replay-dlq\`.`,
  }),
  'not-consumed': ({ eventType, queue, consumer }) => ({
    says: `The ${eventType} event came to ${queue}, and the ${consumer} service never reported it.`,
    fix: `See whether ${queue} has a consumer and how many events wait in it: a dead channel consumes nothing and looks alive.`,
  }),
  'not-published': ({ eventType, consumer, begins }) => ({
    says: begins
      ? `The job had an outcome, and no ${eventType} event was seen before it.`
      : `The callback was accepted, and no ${eventType} event was seen for the ${consumer} service.`,
    fix: `See whether the worker publishes ${eventType} on this path of its code, to which exchange and key, and whether it awaits the confirm: without, a failed publish is lost in silence.`,
  }),
};

function explainMissing(leg: Leg, because: MissingBecause): Explanation {
  return MISSING[because](leg);
}

function explainDuplicate(leg: Leg, details: Extract<Details, { kind: 'duplicate' }>): Explanation {
  const { callbacks, events, sameMessage, bothApplied } = details;
  if (bothApplied) {
    return {
      says: `The ${leg.consumer} service applied one ${leg.eventType} twice: once by HTTP, once by the event.`,
      fix: 'Apply a fact once whichever path brings it: guard the effect with one idempotency key for both paths, such as the job and its outcome. Tokens that were refunded twice need correcting.',
    };
  }
  if (events > 1) {
    return {
      says: `The ${leg.eventType} event was published ${events} times${sameMessage ? ' with one id' : ', each time with another id'}.`,
      fix: sameMessage
        ? 'A consumer that remembers ids applies it once. See why the publisher sends again: an unknown confirm, or a retry of the whole job.'
        : 'Let the publisher use one id per fact (from job and event type, not from the time), so that a consumer can tell it has seen it; see why the job publishes again.',
    };
  }
  return {
    says: `The callback was accepted ${callbacks} times.`,
    fix: `The sender tried again though the ${leg.consumer} service had accepted: see its timeout. The event came once, so this ends with the callbacks.`,
  };
}

function routeName({ route }: Leg): string {
  return route === undefined ? 'was expected' : `(${route.method} ${route.path}) was seen`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
