/** What lies in the queues, and who takes it out: as the gate sees it. Pure. */
import { type GateCheck, notOk, ok } from './gate-check.js';
import type { BoundQueue, QueueLook } from './queue-look.js';

export function checkDeadLetters({ deadLetters }: QueueLook, explained: string | undefined): GateCheck {
  const filled = deadLetters.filter(({ messages }) => messages > 0);
  if (filled.length === 0) {
    const names = deadLetters.map(({ queue }) => queue).join(', ');
    return ok('dead-letters', names === '' ? 'There is no dead-letter queue.' : `Empty: ${names}.`);
  }
  const list = filled.map(({ queue, messages }) => `${messages} in ${queue}`).join(', ');
  if (explained !== undefined && explained.trim() !== '') {
    return ok('dead-letters', `Dead letters: ${list}. Explained: ${explained.trim()}`);
  }
  const [first] = filled;
  return notOk(
    'dead-letters',
    `Dead letters: ${list}. See what they are: atma-events dlq groups ${first?.queue ?? ''}. Replay or purge them, or say why they may stay: --dlq-explained "…".`,
  );
}

export function checkConsumers({ bound, incomplete }: QueueLook): GateCheck {
  if (bound.length === 0) {
    return notOk('consumers', 'No queue gets the events. Create the queues and bindings: atma-events setup.');
  }
  const missing = bound.filter(({ exists }) => !exists).map(({ queue }) => queue);
  const alone = bound.filter((each) => each.exists && each.consumers === 0);
  const problems = [
    ...(missing.length === 0
      ? []
      : [`Not there: ${missing.join(', ')}. Create what is missing: atma-events setup.`]),
    ...(alone.length === 0
      ? []
      : [
          `Nobody consumes ${alone.map(waiting).join(', ')}. Start the service that should, or delete the queue if nobody needs it.`,
        ]),
  ];
  if (problems.length > 0) return notOk('consumers', problems.join(' '));
  const told = bound.map(({ queue, consumers }) => `${queue} (${consumers})`).join(', ');
  const rest = incomplete === undefined ? '' : ` Only queues of the topology were looked at: ${incomplete}`;
  return ok('consumers', `Consumers on every queue: ${told}.${rest}`);
}

function waiting({ queue, ready }: BoundQueue): string {
  return ready === 0 ? queue : `${queue} (${ready} waiting)`;
}
