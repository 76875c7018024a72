/** Exchanges, queues and bindings as plain data. Names and meanings are those of AMQP 0-9-1. */

export type ExchangeType = 'topic' | 'direct' | 'fanout';

/** Queue and exchange arguments (`x-message-ttl`, `x-dead-letter-exchange`, …). */
export type Arguments = { readonly [name: string]: string | number | boolean };

export interface ExchangeSpec {
  readonly name: string;
  readonly type: ExchangeType;
  /** Survives a broker restart. */
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly arguments: Arguments;
}

export interface QueueSpec {
  readonly name: string;
  readonly durable: boolean;
  /** Usable only by the declaring connection, and gone with it. */
  readonly exclusive: boolean;
  /** Gone when its last consumer leaves. */
  readonly autoDelete: boolean;
  readonly arguments: Arguments;
}

export interface BindingSpec {
  readonly exchange: string;
  readonly queue: string;
  /** Binding key: a pattern on topic exchanges, literal on direct ones, ignored by fanout. */
  readonly key: string;
}

export interface Topology {
  readonly exchanges: readonly ExchangeSpec[];
  readonly queues: readonly QueueSpec[];
  readonly bindings: readonly BindingSpec[];
}

export const EMPTY_TOPOLOGY: Topology = { exchanges: [], queues: [], bindings: [] };

/** An exchange with the usual attributes: durable, not auto-deleted. */
export function exchange(name: string, type: ExchangeType, rest: Partial<ExchangeSpec> = {}): ExchangeSpec {
  return { name, type, durable: true, autoDelete: false, arguments: {}, ...rest };
}

/** A queue with the usual attributes: durable, shared, not auto-deleted. */
export function queue(name: string, args: Arguments = {}, rest: Partial<QueueSpec> = {}): QueueSpec {
  return { name, durable: true, exclusive: false, autoDelete: false, arguments: args, ...rest };
}

/** One binding per key; without keys one with the empty key, as a fanout exchange wants it. */
export function bind(exchangeName: string, queueName: string, ...keys: string[]): BindingSpec[] {
  return (keys.length === 0 ? [''] : keys).map((key) => ({ exchange: exchangeName, queue: queueName, key }));
}

/** How a binding is named wherever people read it. */
export function bindingName(binding: BindingSpec): string {
  return `${binding.exchange} -> ${binding.queue} (${binding.key})`;
}
