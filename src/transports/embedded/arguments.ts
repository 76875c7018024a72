/** What the `x-` arguments of a queue mean here. Checked as RabbitMQ does; see docs/embedded-broker.md. */
import { EventsError } from '../../core/errors.js';
import type { Arguments, ExchangeSpec, QueueSpec } from '../../core/topology/model.js';

export interface QueuePolicy {
  /** Milliseconds. */
  readonly ttl: number | undefined;
  readonly deadLetterExchange: string | undefined;
  readonly deadLetterRoutingKey: string | undefined;
  readonly maxLength: number | undefined;
  readonly maxBytes: number | undefined;
  readonly overflow: 'drop-head' | 'reject-publish' | 'reject-publish-dlx';
  /** 0: one order for all. */
  readonly maxPriority: number;
}

/** The longest TTL RabbitMQ takes: 2^32 - 1 ms. */
export const MAX_TTL_MS = 0xffff_ffff;

const isString = (value: unknown) => typeof value === 'string';
const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0;
const oneOf =
  (...values: unknown[]) =>
  (value: unknown) =>
    values.includes(value);

/** Arguments that are modelled, or that change nothing on one machine, with the values RabbitMQ takes. */
const ACCEPTED: Readonly<Record<string, (value: unknown) => boolean>> = {
  'x-message-ttl': (value) => isCount(value) && Number(value) <= MAX_TTL_MS,
  'x-dead-letter-exchange': isString,
  'x-dead-letter-routing-key': isString,
  'x-max-length': isCount,
  'x-max-length-bytes': isCount,
  'x-overflow': oneOf('drop-head', 'reject-publish', 'reject-publish-dlx'),
  'x-max-priority': (value) => isCount(value) && Number(value) <= 255,
  'x-queue-mode': oneOf('default', 'lazy'),
  'x-queue-version': oneOf(1, 2),
  'x-queue-master-locator': isString,
  'x-queue-leader-locator': isString,
};

/** Arguments that RabbitMQ knows, whose effect is not there: refused unless they ask for what is. */
const UNSUPPORTED: Readonly<Record<string, (value: unknown) => boolean>> = {
  'x-queue-type': oneOf('classic'),
  'x-single-active-consumer': oneOf(false),
  'x-expires': () => false,
  'x-delivery-limit': () => false,
  'x-dead-letter-strategy': () => false,
  'x-max-in-memory-length': () => false,
  'x-max-in-memory-bytes': () => false,
  'x-quorum-initial-group-size': () => false,
  'x-initial-cluster-size': () => false,
  'x-max-age': () => false,
  'x-stream-max-segment-size-bytes': () => false,
  'x-stream-filter-size-bytes': () => false,
};

/** Throws `unsupported` or, for a value that RabbitMQ would refuse too, `topology-conflict`. */
export function checkQueue(spec: QueueSpec): void {
  const name = `queue ${spec.name}`;
  checkName(name, spec.name);
  for (const [argument, value] of Object.entries(spec.arguments)) {
    if (UNSUPPORTED[argument]?.(value) === false) throw unsupported(name, argument, value);
    if (ACCEPTED[argument]?.(value) === false) throw invalid(name, argument, value);
  }
  const { 'x-dead-letter-routing-key': key, 'x-dead-letter-exchange': exchange } = spec.arguments;
  if (key !== undefined && exchange === undefined) {
    throw invalid(name, 'x-dead-letter-routing-key', `${key}, without x-dead-letter-exchange`);
  }
}

/** Throws like `checkQueue`. `alternate-exchange` is modelled. */
export function checkExchange(spec: ExchangeSpec): void {
  const name = `exchange ${spec.name}`;
  checkName(name, spec.name);
  if (!['topic', 'direct', 'fanout'].includes(spec.type)) throw unsupported(name, 'type', spec.type);
  const alternate = spec.arguments['alternate-exchange'];
  if (alternate !== undefined && !isString(alternate)) throw invalid(name, 'alternate-exchange', alternate);
}

/** Throws `topology-conflict` for a NUL character: SQLite in Node 22 would cut the text there. */
export function checkText(what: string, text: string): void {
  if (!text.includes('\0')) return;
  throw new EventsError('topology-conflict', `${what}: names and keys must not hold a NUL character`, {
    hint: 'The embedded broker cannot store it.',
  });
}

export function policyOf(args: Arguments): QueuePolicy {
  return {
    ttl: numberIn(args, 'x-message-ttl'),
    deadLetterExchange: stringIn(args, 'x-dead-letter-exchange'),
    deadLetterRoutingKey: stringIn(args, 'x-dead-letter-routing-key'),
    maxLength: numberIn(args, 'x-max-length'),
    maxBytes: numberIn(args, 'x-max-length-bytes'),
    overflow: (stringIn(args, 'x-overflow') ?? 'drop-head') as QueuePolicy['overflow'],
    maxPriority: numberIn(args, 'x-max-priority') ?? 0,
  };
}

function numberIn(args: Arguments, name: string): number | undefined {
  const value = args[name];
  return typeof value === 'number' ? value : undefined;
}

function stringIn(args: Arguments, name: string): string | undefined {
  const value = args[name];
  return typeof value === 'string' ? value : undefined;
}

function checkName(what: string, name: string): void {
  checkText(what, name);
  if (name === '' || Buffer.byteLength(name) > 255) {
    throw new EventsError('topology-conflict', `${what}: a name has 1 to 255 bytes`);
  }
}

function unsupported(name: string, attribute: string, value: unknown): EventsError {
  return new EventsError(
    'unsupported',
    `${name}: ${attribute}=${value} is not supported by the embedded broker`,
    {
      hint: 'Leave it out, or use RabbitMQ (amqp:// URL).',
    },
  );
}

function invalid(name: string, attribute: string, value: unknown): EventsError {
  return new EventsError('topology-conflict', `${name}: invalid value for ${attribute}: ${value}`, {
    hint: 'RabbitMQ refuses it too; see the documentation of that argument.',
  });
}
