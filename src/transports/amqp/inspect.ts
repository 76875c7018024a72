/**
 * Looking at a topology. With the management API everything is exact. Over AMQP alone, existence is asked
 * passively, and what exists is declared as desired: equal attributes change nothing, others are answered by
 * a 406 that names one difference with both values. The current value is then adopted and the question put
 * again, until it fits; so all differences are found that RabbitMQ compares (it ignores unknown `x-`
 * arguments). Between the two questions someone could delete the entity, which would then be created: the
 * window is one round trip, and what it creates is what was asked for.
 */
import type { Channel } from 'amqplib';
import type { Arguments, BindingSpec, ExchangeSpec, QueueSpec, Topology } from '../../core/topology/model.js';
import {
  ABSENT,
  AS_DECLARED,
  compareExchange,
  compareQueue,
  type Difference,
  type Observation,
  type TopologyObservation,
} from '../../core/topology/observe.js';
import { onScratchChannel } from './channels.js';
import { declareExchange, declareQueue } from './declare.js';
import { replyCode, replyText } from './failures.js';
import { inequivalence } from './inequivalence.js';
import { findManagement, type Management, type ManagementOptions } from './management.js';
import type { Wire } from './wire.js';

export async function inspectTopology(
  wire: Wire,
  topology: Topology,
  options: ManagementOptions,
): Promise<TopologyObservation> {
  const management = await findManagement(wire, options);
  if (typeof management === 'string') return inspectOverAmqp(wire, topology, management);
  try {
    return await inspectOverHttp(management, topology);
  } catch {
    return inspectOverAmqp(wire, topology, 'the management API failed while it was asked');
  }
}

async function inspectOverHttp(management: Management, topology: Topology): Promise<TopologyObservation> {
  const exchanges = await inTurn(topology.exchanges, async (spec) => {
    const actual = await management.exchange(spec.name);
    return actual === undefined ? ABSENT : compareExchange(spec, actual);
  });
  const queues = await inTurn(topology.queues, async (spec) => {
    const actual = await management.queue(spec.name);
    return actual === undefined ? ABSENT : compareQueue(spec, actual);
  });
  const bindings = await inTurn(topology.bindings, async (spec) =>
    (await management.hasBinding(spec)) ? AS_DECLARED : ABSENT,
  );
  return { exchanges, queues, bindings };
}

async function inspectOverAmqp(wire: Wire, topology: Topology, reason: string): Promise<TopologyObservation> {
  const exchanges = await inTurn(topology.exchanges, (spec) => probeExchange(wire, spec));
  const queues = await inTurn(topology.queues, (spec) => probeQueue(wire, spec));
  const bindings = await inTurn(topology.bindings, (spec) => probeBinding(wire, spec, reason));
  return { exchanges, queues, bindings };
}

async function probeExchange(wire: Wire, spec: ExchangeSpec): Promise<Observation> {
  const there = await ask(wire, (channel) => channel.checkExchange(spec.name));
  if (there.code === 404) return ABSENT;
  return probe(there, spec, (candidate) => ask(wire, (channel) => declareExchange(channel, candidate)));
}

async function probeQueue(wire: Wire, spec: QueueSpec): Promise<Observation> {
  const there = await ask(wire, (channel) => channel.checkQueue(spec.name));
  if (there.code === 404) return ABSENT;
  return probe(there, spec, (candidate) => ask(wire, (channel) => declareQueue(channel, candidate)));
}

async function probeBinding(wire: Wire, spec: BindingSpec, reason: string): Promise<Observation> {
  const exchange = await ask(wire, (channel) => channel.checkExchange(spec.exchange));
  const queue = await ask(wire, (channel) => channel.checkQueue(spec.queue));
  if (exchange.code === 404 || queue.code === 404) return ABSENT;
  return { state: 'unknown', reason: `AMQP does not tell bindings, and ${reason}` };
}

interface Answer {
  /** Undefined for yes. */
  readonly code: number | undefined;
  readonly text: string;
}

async function probe<T extends ExchangeSpec | QueueSpec>(
  there: Answer,
  desired: T,
  declare: (candidate: T) => Promise<Answer>,
): Promise<Observation> {
  if (there.code !== undefined) return { state: 'unknown', reason: there.text };
  const differences: Difference[] = [];
  let candidate = desired;
  // Each round settles one attribute for good, so there are at most as many as attributes.
  for (let round = 0; round < 40; round++) {
    const answer = await declare(candidate);
    if (answer.code === undefined) return { state: 'present', differences };
    const found = answer.code === 406 ? inequivalence(answer.text, candidate.arguments) : undefined;
    const seen = differences.some(({ attribute }) => attribute === found?.attribute);
    if (found === undefined || seen) {
      return differences.length > 0
        ? { state: 'present', differences }
        : { state: 'unknown', reason: answer.text };
    }
    differences.push(found);
    candidate = adopt(candidate, found);
  }
  return { state: 'present', differences };
}

function adopt<T extends ExchangeSpec | QueueSpec>(spec: T, { attribute, actual }: Difference): T {
  if (attribute in spec && attribute !== 'arguments') return { ...spec, [attribute]: actual };
  const args: Record<string, Arguments[string]> = { ...spec.arguments };
  if (actual === undefined) delete args[attribute];
  else args[attribute] = actual;
  return { ...spec, arguments: args };
}

/** Asks on a channel of its own, since a no closes it. Rejects only when the connection went. */
async function ask(wire: Wire, question: (channel: Channel) => Promise<unknown>): Promise<Answer> {
  try {
    await onScratchChannel(wire, question);
    return { code: undefined, text: '' };
  } catch (error) {
    const code = replyCode(error);
    if (code === undefined) throw error;
    return { code, text: replyText(error) };
  }
}

/** One after the other, in order. */
async function inTurn<T>(
  items: readonly T[],
  look: (item: T) => Promise<Observation>,
): Promise<Observation[]> {
  const observations: Observation[] = [];
  for (const item of items) observations.push(await look(item));
  return observations;
}
