/** The topology as one process sees it: read whole, never changed in place, replaced when the file has a newer one. */
import type { Arguments, ExchangeSpec, ExchangeType, QueueSpec } from '../../core/topology/model.js';
import { matchesWords, wordsOf } from '../../core/topology/routing-key.js';
import type { SqlRow, Statement } from '../../storage/sqlite.js';
import { policyOf, type QueuePolicy } from './arguments.js';

export type Prepare = (sql: string) => Statement;

export interface QueueRecord {
  readonly id: number;
  readonly spec: QueueSpec;
  readonly policy: QueuePolicy;
  /** Session that an exclusive queue belongs to. */
  readonly owner: number | undefined;
}

/** Routes remembered per exchange. Keys can be unbounded (an id in them, say), memory is not. */
const REMEMBERED_ROUTES = 10_000;

export class Catalog {
  readonly queues = new Map<string, QueueRecord>();
  readonly queuesById = new Map<number, QueueRecord>();
  readonly exchanges = new Map<string, ExchangeRecord>();

  constructor(
    /** `meta.topology` of what was read. */
    readonly version: number,
    exchanges: readonly ExchangeSpec[],
    queues: readonly QueueRecord[],
    bindings: readonly SqlRow[],
  ) {
    for (const spec of exchanges) this.exchanges.set(spec.name, new ExchangeRecord(spec));
    for (const queue of queues) {
      this.queues.set(queue.spec.name, queue);
      this.queuesById.set(queue.id, queue);
    }
    for (const [exchange, key, queueId] of bindings) {
      const queue = this.queuesById.get(Number(queueId));
      if (queue !== undefined) this.exchanges.get(String(exchange))?.bind(String(key), queue);
    }
  }

  /** The queues that a message goes to, each once; undefined when the exchange does not exist. */
  route(exchange: string, key: string): readonly QueueRecord[] | undefined {
    if (exchange === '') {
      const queue = this.queues.get(key);
      return queue === undefined ? [] : [queue];
    }
    const record = this.exchanges.get(exchange);
    if (record === undefined) return undefined;
    const known = record.routes.get(key);
    if (known !== undefined) return known;
    const found = this.#search(record, key, new Set());
    if (record.routes.size >= REMEMBERED_ROUTES) record.routes.clear();
    record.routes.set(key, found);
    return found;
  }

  #search(record: ExchangeRecord, key: string, seen: Set<string>): readonly QueueRecord[] {
    const found = record.matching(key);
    const alternate = record.spec.arguments['alternate-exchange'];
    if (found.length > 0 || typeof alternate !== 'string' || seen.has(alternate)) return found;
    const next = this.exchanges.get(alternate);
    return next === undefined ? found : this.#search(next, key, seen.add(alternate));
  }
}

export class ExchangeRecord {
  readonly routes = new Map<string, readonly QueueRecord[]>();
  /** Binding key to queues. */
  readonly bindings = new Map<string, Set<QueueRecord>>();
  readonly #patterns: { readonly words: readonly string[]; readonly queues: Set<QueueRecord> }[] = [];

  constructor(readonly spec: ExchangeSpec) {}

  bind(key: string, queue: QueueRecord): void {
    let queues = this.bindings.get(key);
    if (queues === undefined) {
      queues = new Set();
      this.bindings.set(key, queues);
      const words = wordsOf(key);
      if (words.includes('*') || words.includes('#')) this.#patterns.push({ words, queues });
    }
    queues.add(queue);
  }

  matching(key: string): readonly QueueRecord[] {
    const found = new Set<QueueRecord>();
    if (this.spec.type === 'fanout') {
      for (const queues of this.bindings.values()) for (const queue of queues) found.add(queue);
      return [...found];
    }
    for (const queue of this.bindings.get(key) ?? []) found.add(queue);
    if (this.spec.type === 'topic') {
      const words = wordsOf(key);
      for (const pattern of this.#patterns) {
        if (matchesWords(pattern.words, words)) for (const queue of pattern.queues) found.add(queue);
      }
    }
    return [...found];
  }
}

export function topologyVersion(prepare: Prepare): number {
  return Number(prepare('SELECT topology FROM meta').get()?.[0] ?? 0);
}

export function readCatalog(prepare: Prepare, version: number): Catalog {
  const exchanges = prepare('SELECT name, type, durable, auto_delete, arguments FROM exchange').all();
  const queues = prepare(
    'SELECT id, name, durable, exclusive, auto_delete, arguments, owner FROM queue',
  ).all();
  const bindings = prepare('SELECT exchange, key, queue FROM binding').all();
  return new Catalog(version, exchanges.map(exchangeFrom), queues.map(queueFrom), bindings);
}

function exchangeFrom([name, type, durable, autoDelete, args]: SqlRow): ExchangeSpec {
  return {
    name: String(name),
    type: String(type) as ExchangeType,
    durable: durable === 1,
    autoDelete: autoDelete === 1,
    arguments: JSON.parse(String(args)) as Arguments,
  };
}

function queueFrom([id, name, durable, exclusive, autoDelete, args, owner]: SqlRow): QueueRecord {
  const spec: QueueSpec = {
    name: String(name),
    durable: durable === 1,
    exclusive: exclusive === 1,
    autoDelete: autoDelete === 1,
    arguments: JSON.parse(String(args)) as Arguments,
  };
  return {
    id: Number(id),
    spec,
    policy: policyOf(spec.arguments),
    owner: typeof owner === 'number' ? owner : undefined,
  };
}
