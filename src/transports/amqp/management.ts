/** RabbitMQ's management HTTP API, where it can be reached: the only one that tells arguments and bindings. */
import type {
  Arguments,
  BindingSpec,
  ExchangeSpec,
  ExchangeType,
  QueueSpec,
} from '../../core/topology/model.js';
import type { AmqpAddress } from './address.js';
import { managementAccess } from './management-access.js';
import type { Wire } from './wire.js';

export interface Management {
  /** Undefined: it does not exist. */
  exchange(name: string): Promise<ExchangeSpec | undefined>;
  queue(name: string): Promise<QueueSpec | undefined>;
  hasBinding(binding: BindingSpec): Promise<boolean>;
}

export interface ManagementOptions {
  readonly address: AmqpAddress;
  readonly managementUrl: string | undefined;
}

const TIMEOUT_MS = 2_000;

/** The API of the broker at the other end of `wire`, or the reason why there is none. */
export async function findManagement(wire: Wire, options: ManagementOptions): Promise<Management | string> {
  const { address } = options;
  const access = managementAccess(address, options.managementUrl);
  if (typeof access === 'string') return access;
  const { base, authorization } = access;
  const ask = (path: string) => get(`${base}/api/${path}`, authorization);
  const expected = (wire.model.connection.serverProperties as { readonly cluster_name?: string })
    .cluster_name;
  try {
    const overview = record((await ask('overview')) ?? {});
    if (overview.cluster_name === expected) return makeManagement(ask, encodeURIComponent(address.vhost));
    return `the management API at ${base} belongs to another broker`;
  } catch (error) {
    const why = error instanceof Refused ? `answers ${error.status}` : 'cannot be reached';
    return `the management API at ${base} ${why}`;
  }
}

function makeManagement(ask: (path: string) => Promise<unknown>, vhost: string): Management {
  return {
    async exchange(name) {
      const found = await ask(`exchanges/${vhost}/${encodeURIComponent(name)}`);
      if (found === undefined) return undefined;
      const { type, durable, auto_delete, arguments: args } = record(found);
      return {
        name,
        // A foreign type (headers, say) is kept as it is, to show up as a difference.
        type: String(type) as ExchangeType,
        durable: durable === true,
        autoDelete: auto_delete === true,
        arguments: toArguments(args),
      };
    },
    async queue(name) {
      const found = await ask(`queues/${vhost}/${encodeURIComponent(name)}`);
      if (found === undefined) return undefined;
      const { durable, exclusive, auto_delete, arguments: args } = record(found);
      return {
        name,
        durable: durable === true,
        exclusive: exclusive === true,
        autoDelete: auto_delete === true,
        arguments: toArguments(args),
      };
    },
    async hasBinding({ exchange, queue, key }) {
      const path = `bindings/${vhost}/e/${encodeURIComponent(exchange)}/q/${encodeURIComponent(queue)}`;
      const found = (await ask(path)) ?? [];
      return Array.isArray(found) && found.some((binding) => record(binding).routing_key === key);
    },
  };
}

class Refused extends Error {
  constructor(readonly status: number) {
    super(`status ${status}`);
  }
}

async function get(url: string, authorization: string): Promise<unknown> {
  const response = await fetch(url, {
    headers: { authorization },
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.ok) return response.json();
  await response.body?.cancel();
  if (response.status === 404) return undefined;
  throw new Refused(response.status);
}

function record(value: unknown): { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null ? (value as { readonly [name: string]: unknown }) : {};
}

function toArguments(value: unknown): Arguments {
  const entries = Object.entries(record(value)).map(([name, argument]) => [
    name,
    typeof argument === 'object' ? JSON.stringify(argument) : argument,
  ]);
  return Object.fromEntries(entries);
}
