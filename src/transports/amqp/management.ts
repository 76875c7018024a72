/** RabbitMQ's management HTTP API, where it can be reached: the only one that tells arguments and bindings. */
import type {
  Arguments,
  BindingSpec,
  ExchangeSpec,
  ExchangeType,
  QueueSpec,
} from '../../core/topology/model.js';
import type { AmqpAddress } from './address.js';
import { deliveryLimitOf } from './delivery-limit.js';
import { managementAccess } from './management-access.js';
import type { Wire } from './wire.js';

export interface Management {
  /** Undefined: it does not exist. */
  exchange(name: string): Promise<ExchangeSpec | undefined>;
  queue(name: string): Promise<QueueSpec | undefined>;
  hasBinding(binding: BindingSpec): Promise<boolean>;
  /** All of the virtual host, or the reason why it is not told. */
  everything(): Promise<Everything | string>;
}

export interface Everything {
  readonly exchanges: readonly ExchangeSpec[];
  readonly queues: readonly ListedQueue[];
  readonly bindings: readonly BindingSpec[];
}

/** Counts are undefined while the API has no statistics of the queue. */
export interface ListedQueue {
  readonly spec: QueueSpec;
  /** Undefined: none. */
  readonly deliveryLimit: number | undefined;
  readonly ready: number | undefined;
  readonly consumers: number | undefined;
}

export interface ManagementOptions {
  readonly address: AmqpAddress;
  readonly managementUrl: string | undefined;
}

const TIMEOUT_MS = 2_000;
/** Lists of 3,000 queues and bindings take RabbitMQ 3.10 0.6 s; a busy one, or more of them, may take longer. */
const LIST_TIMEOUT_MS = 30_000;

/** Statistics of exchanges (rates) are the larger part of the answer, and nobody here wants them. */
const EXCHANGE_COLUMNS = 'disable_stats=true&columns=name,type,durable,auto_delete,arguments';
const QUEUE_COLUMNS =
  'columns=name,type,durable,exclusive,auto_delete,arguments,effective_policy_definition,messages_ready,consumers';
const BINDING_COLUMNS = 'columns=source,destination,destination_type,routing_key';

/** The API of the broker at the other end of `wire`, or the reason why there is none. */
export async function findManagement(wire: Wire, options: ManagementOptions): Promise<Management | string> {
  const { address } = options;
  const access = managementAccess(address, options.managementUrl);
  if (typeof access === 'string') return access;
  const { base, authorization } = access;
  const ask: Ask = (path, timeoutMs = TIMEOUT_MS) => get(`${base}/api/${path}`, authorization, timeoutMs);
  const expected = clusterName(wire);
  try {
    const overview = record((await ask('overview')) ?? {});
    if (overview.cluster_name === expected)
      return makeManagement(ask, base, encodeURIComponent(address.vhost), String(overview.rabbitmq_version));
    return `the management API at ${base} belongs to another broker`;
  } catch (error) {
    return whyNot(base, error);
  }
}

type Ask = (path: string, timeoutMs?: number) => Promise<unknown>;

/** As the broker tells it when a connection opens. */
export function clusterName(wire: Wire): string | undefined {
  return (wire.model.connection.serverProperties as { readonly cluster_name?: string }).cluster_name;
}

function makeManagement(ask: Ask, base: string, vhost: string, version: string): Management {
  const list = async (what: string, columns: string) => {
    const found = await ask(`${what}/${vhost}?${columns}`, LIST_TIMEOUT_MS);
    // 404: the virtual host was deleted meanwhile.
    if (!Array.isArray(found)) throw new Refused(404);
    return found.map(record);
  };
  return {
    async exchange(name) {
      const found = await ask(`exchanges/${vhost}/${encodeURIComponent(name)}`);
      return found === undefined ? undefined : toExchange(record(found));
    },
    async queue(name) {
      const found = await ask(`queues/${vhost}/${encodeURIComponent(name)}`);
      return found === undefined ? undefined : toQueue(record(found));
    },
    async hasBinding({ exchange, queue, key }) {
      const path = `bindings/${vhost}/e/${encodeURIComponent(exchange)}/q/${encodeURIComponent(queue)}`;
      const found = (await ask(path)) ?? [];
      return Array.isArray(found) && found.some((binding) => record(binding).routing_key === key);
    },
    async everything() {
      try {
        const [exchanges, queues, bindings] = await Promise.all([
          list('exchanges', EXCHANGE_COLUMNS),
          list('queues', QUEUE_COLUMNS),
          list('bindings', BINDING_COLUMNS),
        ]);
        return {
          exchanges: exchanges.filter(({ name }) => name !== '').map(toExchange),
          queues: queues.map((queue) => ({
            spec: toQueue(queue),
            deliveryLimit: deliveryLimitOf(
              queue.type ?? record(queue.arguments)['x-queue-type'],
              record(queue.arguments)['x-delivery-limit'],
              record(queue.effective_policy_definition)['delivery-limit'],
              version,
            ),
            ready: count(queue.messages_ready),
            consumers: count(queue.consumers),
          })),
          bindings: bindings
            .filter(({ source, destination_type }) => source !== '' && destination_type === 'queue')
            .map(({ source, destination, routing_key }) => ({
              exchange: String(source),
              queue: String(destination),
              key: String(routing_key),
            })),
        };
      } catch (error) {
        return whyNot(base, error);
      }
    },
  };
}

function toExchange({ name, type, durable, auto_delete, arguments: args }: JsonObject): ExchangeSpec {
  return {
    name: String(name),
    // A foreign type (headers, say) is kept as it is, to show up as a difference.
    type: String(type) as ExchangeType,
    durable: durable === true,
    autoDelete: auto_delete === true,
    arguments: toArguments(args),
  };
}

function toQueue({ name, durable, exclusive, auto_delete, arguments: args }: JsonObject): QueueSpec {
  return {
    name: String(name),
    durable: durable === true,
    exclusive: exclusive === true,
    autoDelete: auto_delete === true,
    arguments: toArguments(args),
  };
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function whyNot(base: string, error: unknown): string {
  const why = error instanceof Refused ? `answers ${error.status}` : 'cannot be reached';
  return `the management API at ${base} ${why}`;
}

class Refused extends Error {
  constructor(readonly status: number) {
    super(`status ${status}`);
  }
}

async function get(url: string, authorization: string, timeoutMs: number): Promise<unknown> {
  const response = await fetch(url, {
    headers: { authorization },
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (response.ok) return response.json();
  await response.body?.cancel();
  if (response.status === 404) return undefined;
  throw new Refused(response.status);
}

type JsonObject = { readonly [name: string]: unknown };

function record(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null ? (value as JsonObject) : {};
}

function toArguments(value: unknown): Arguments {
  const entries = Object.entries(record(value)).map(([name, argument]) => [
    name,
    typeof argument === 'object' ? JSON.stringify(argument) : argument,
  ]);
  return Object.fromEntries(entries);
}
