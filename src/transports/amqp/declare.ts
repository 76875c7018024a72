/** Declaring and deleting exchanges, queues and bindings. */
import type { Channel } from 'amqplib';
import { EventsError } from '../../core/errors.js';
import type { Arguments, BindingSpec, ExchangeSpec, QueueSpec, Topology } from '../../core/topology/model.js';
import { bindingName } from '../../core/topology/model.js';
import { describeDifferences } from '../../core/topology/plan.js';
import type { AmqpAddress } from './address.js';
import { onScratchChannel } from './channels.js';
import { channelFailure, replyCode, replyText } from './failures.js';
import { inequivalence } from './inequivalence.js';
import type { Wire } from './wire.js';

/** Exchanges first and bindings last, one after the other: a refusal names the entity at fault. */
export async function declareTopology(wire: Wire, topology: Topology, address: AmqpAddress): Promise<void> {
  await onScratchChannel(wire, async (channel) => {
    for (const spec of topology.exchanges) {
      await naming(
        wire,
        address,
        `exchange "${spec.name}"`,
        () => declareExchange(channel, spec),
        spec.arguments,
      );
    }
    for (const spec of topology.queues) {
      await naming(wire, address, `queue "${spec.name}"`, () => declareQueue(channel, spec), spec.arguments);
    }
    for (const spec of topology.bindings) {
      await naming(wire, address, `binding ${bindingName(spec)}`, () => declareBinding(channel, spec));
    }
  });
}

export async function declareExchange(channel: Channel, spec: ExchangeSpec): Promise<void> {
  await channel.assertExchange(spec.name, spec.type, {
    durable: spec.durable,
    autoDelete: spec.autoDelete,
    arguments: { ...spec.arguments },
  });
}

export async function declareQueue(channel: Channel, spec: QueueSpec): Promise<void> {
  await channel.assertQueue(spec.name, {
    durable: spec.durable,
    exclusive: spec.exclusive,
    autoDelete: spec.autoDelete,
    arguments: { ...spec.arguments },
  });
}

export async function declareBinding(channel: Channel, spec: BindingSpec): Promise<void> {
  await channel.bindQueue(spec.queue, spec.exchange, spec.key);
}

/** Deletes what is there. RabbitMQ answers a delete of something absent with success. */
export async function removeEntities(
  wire: Wire,
  queues: readonly string[],
  exchanges: readonly string[],
): Promise<void> {
  await onScratchChannel(wire, async (channel) => {
    for (const queue of queues) await channel.deleteQueue(queue);
    for (const exchange of exchanges) await channel.deleteExchange(exchange);
  });
}

async function naming(
  wire: Wire,
  address: AmqpAddress,
  entity: string,
  operation: () => Promise<void>,
  asked: Arguments = {},
): Promise<void> {
  try {
    await operation();
  } catch (error) {
    // The caller runs it again on the next connection.
    if (wire.closed && replyCode(error) === undefined) throw error;
    throw replyCode(error) === 406 ? conflict(error, entity, asked) : channelFailure(error, address, entity);
  }
}

function conflict(error: unknown, entity: string, asked: Arguments): EventsError {
  const found = inequivalence(replyText(error), asked);
  const what = found === undefined ? replyText(error) : describeDifferences([found]);
  return new EventsError('topology-conflict', `${entity} exists with other attributes: ${what}`, {
    hint: 'Attributes cannot be changed in place: delete the entity and declare it again (its messages go with it), or adapt the declaration.',
    cause: error,
  });
}
