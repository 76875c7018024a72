/**
 * Dead-lettering as RabbitMQ's `rabbit_dead_letter` does it: the headers, the new route, and the cycles that
 * are cut. Dead letters are not confirmed to anybody; they move in the same transaction, so none is lost.
 */
import type { Headers, HeaderValue, MessageProperties } from '../../core/message.js';
import type { QueueRecord } from './catalog.js';
import type { EntryRow } from './entries.js';
import { wouldOverflow } from './overflow.js';
import { decodeProperties, encodeProperties, stringsIn } from './properties.js';
import type { Turn } from './turn.js';

export type DeathReason = 'rejected' | 'expired' | 'maxlen';

type Death = { readonly [key: string]: HeaderValue };

/** What a queue gives up. */
export type Dying = Pick<EntryRow, 'exchange' | 'key' | 'properties' | 'body'>;

/** Routes a copy to the queue's dead-letter exchange. Without one, or if it leads nowhere, nothing happens. */
export function deadLetter(turn: Turn, queue: QueueRecord, dying: Dying, reason: DeathReason): void {
  const { deadLetterExchange: exchange, deadLetterRoutingKey } = queue.policy;
  if (exchange === undefined) return;
  const properties = decodeProperties(dying.properties);
  const death = { queue: queue.spec.name, reason, exchange: dying.exchange, key: dying.key };
  const next = withDeath(properties, death, turn.now, deadLetterRoutingKey !== undefined);
  const keys =
    deadLetterRoutingKey === undefined
      ? [dying.key, ...stringsIn(next.headers, 'CC')]
      : [deadLetterRoutingKey];
  const found = new Set(keys.flatMap((key) => turn.catalog.route(exchange, key) ?? []));
  const targets = [...found].filter(
    (target) =>
      !wouldOverflow(turn, target, dying.body.length) &&
      !(reason !== 'rejected' && inCycle(target.spec.name, next.headers)),
  );
  if (targets.length === 0) return;
  turn.store(
    {
      exchange,
      key: keys[0] ?? dying.key,
      properties: encodeProperties(next),
      body: dying.body,
      priority: properties.priority ?? 0,
      ttl: undefined,
    },
    targets,
  );
}

/** The properties with this death on top of `x-death`, and without the expiration that would kill it again. */
export function withDeath(
  properties: MessageProperties,
  death: { queue: string; reason: DeathReason; exchange: string; key: string },
  nowMs: number,
  rerouted: boolean,
): MessageProperties {
  const { expiration, headers = {}, ...rest } = properties;
  const { CC, ...withoutCc } = headers;
  const kept = rerouted || CC === undefined ? withoutCc : headers;
  const entry: Death = {
    count: 1,
    exchange: death.exchange,
    ...(expiration === undefined ? {} : { 'original-expiration': expiration }),
    queue: death.queue,
    reason: death.reason,
    'routing-keys': [death.key, ...stringsIn(headers, 'CC')],
    time: { '!': 'timestamp', value: Math.floor(nowMs / 1000) },
  };
  return { ...rest, headers: { ...kept, ...deathHeaders(headers, entry) } };
}

function deathHeaders(headers: Headers, death: Death): Headers {
  const earlier = deathsIn(headers);
  if (earlier === undefined) {
    return {
      'x-first-death-exchange': death.exchange ?? '',
      'x-first-death-queue': death.queue ?? '',
      'x-first-death-reason': death.reason ?? '',
      'x-death': [death],
    };
  }
  const same = (other: Death) => other.queue === death.queue && other.reason === death.reason;
  const [known] = earlier.filter(same);
  const newest = known === undefined ? death : { ...known, count: countOf(known) + 1 };
  return { 'x-death': [newest, ...earlier.filter((other) => !same(other))] };
}

/**
 * Whether the message has been in this queue before, and came back without any client rejecting it on the
 * way: RabbitMQ drops it then, or it would go round for ever.
 */
function inCycle(queue: string, headers: Headers | undefined): boolean {
  const deaths = deathsIn(headers ?? {}) ?? [];
  const last = deaths.findIndex((death) => death.queue === queue);
  return last >= 0 && deaths.slice(0, last + 1).every((death) => death.reason !== 'rejected');
}

function deathsIn(headers: Headers): Death[] | undefined {
  const deaths = headers['x-death'];
  if (!Array.isArray(deaths)) return undefined;
  return deaths.filter(
    (death): death is Death => typeof death === 'object' && death !== null && !Array.isArray(death),
  );
}

function countOf(death: Death): number {
  const { count } = death;
  if (typeof count === 'number') return count;
  const typed = typeof count === 'object' && count !== null && 'value' in count ? count.value : 1;
  return Number(typed);
}
