/** What a replay would do, found out by looking: nothing moves, and no ledger is written. */
import type { Catalog } from '../core/events/catalog.js';
import type { ReceivedMessage } from '../core/message.js';
import type { Topology } from '../core/topology/model.js';
import type { Transport } from '../core/transport.js';
import { type DeadLetter, readDeadLetter } from './groups.js';
import { addressOf } from './outgoing.js';
import type { ReplayTarget, Skipped, SkipReason } from './replay-types.js';
import { type Address, type Reached, reachedBy } from './routes.js';

export interface PreviewOptions {
  readonly queue: string;
  readonly target: ReplayTarget;
  /** Default all. */
  readonly select?: ((message: ReceivedMessage) => boolean) | undefined;
  /** Selected at most. */
  readonly limit?: number | undefined;
  readonly catalog: Catalog;
  /** What is declared: asked where the broker does not tell its bindings. */
  readonly topology: Topology;
}

/** Dead letters of one type that would go to one place. */
export interface PreviewRow {
  readonly address: Address;
  /** Undefined where nobody tells which queues would get it. */
  readonly queues: readonly string[] | undefined;
  /** The type that they claim. */
  readonly type: string | undefined;
  /** The catalog knows the type. What it does not know it cannot call invalid. */
  readonly known: boolean;
  readonly count: number;
  /** Of those, the ones that are not valid events of the catalog: they are sent as they are. */
  readonly invalid: number;
}

export interface Preview {
  /** By place, then by type. */
  readonly rows: readonly PreviewRow[];
  readonly skipped: Skipped;
  /** Selected, those that would be skipped included. */
  readonly selected: number;
  readonly seen: number;
  /** Where the knowledge of queues and bindings comes from; `topology`: the broker would not tell. */
  readonly wiring: 'broker' | 'topology';
}

/** Of the messages that `queue` holds, or the first of them. Rejects as `survey`, `counts` and the messages do. */
export async function previewReplay(
  transport: Pick<Transport, 'survey' | 'counts'>,
  messages: AsyncIterable<ReceivedMessage>,
  options: PreviewOptions,
): Promise<Preview> {
  const { queue, target, select, limit, catalog } = options;
  const places = await placesOf(transport, options.topology);
  const rows = new Map<string, Growing>();
  const skipped: { [reason in SkipReason]?: number } = {};
  let seen = 0;
  let selected = 0;
  for await (const message of messages) {
    seen++;
    if (select !== undefined && !select(message)) continue;
    selected++;
    const address = addressOf(message, queue, target);
    const place = typeof address === 'string' ? address : await places.find(address);
    if (typeof place === 'string') skipped[place] = (skipped[place] ?? 0) + 1;
    else count(rows, place, readDeadLetter(catalog, message, queue), catalog);
    if (limit !== undefined && selected >= limit) break;
  }
  const sorted = [...rows.values()].toSorted(
    (a, b) => nameOf(a.address).localeCompare(nameOf(b.address)) || b.count - a.count,
  );
  return { rows: sorted, skipped, selected, seen, wiring: places.source };
}

/** A queue's name, or exchange and routing key. */
export function nameOf({ exchange, routingKey }: Address): string {
  return exchange === '' ? routingKey : `${exchange}/${routingKey}`;
}

type Growing = { -readonly [K in keyof PreviewRow]: PreviewRow[K] };

interface Place {
  readonly address: Address;
  readonly queues: readonly string[] | undefined;
}

interface Places {
  readonly source: Preview['wiring'];
  find(address: Address): Promise<Place | SkipReason>;
}

/** Looks each address up once, however many dead letters have it. */
async function placesOf(
  transport: Pick<Transport, 'survey' | 'counts'>,
  topology: Topology,
): Promise<Places> {
  const survey = await transport.survey();
  const look = async (address: Address): Promise<Place | SkipReason> => {
    if (survey.state === 'known') return placeOf(address, reachedBy(address, survey));
    if (address.exchange === '') {
      const exists = (await transport.counts(address.routingKey)) !== undefined;
      return exists ? { address, queues: [address.routingKey] } : 'queue-missing';
    }
    // What is declared is no proof of what is there: nothing is called unroutable for it.
    const reached = reachedBy(address, topology);
    return { address, queues: reached.state === 'queues' ? reached.queues : undefined };
  };
  const found = new Map<string, Promise<Place | SkipReason>>();
  return {
    source: survey.state === 'known' ? 'broker' : 'topology',
    find(address) {
      const key = JSON.stringify([address.exchange, address.routingKey]);
      const place = found.get(key) ?? look(address);
      found.set(key, place);
      return place;
    },
  };
}

function placeOf(address: Address, reached: Reached): Place | SkipReason {
  if (reached.state === 'exchange-missing') return 'exchange-missing';
  if (reached.state === 'unknown') return { address, queues: undefined };
  if (reached.queues.length > 0) return { address, queues: reached.queues };
  return address.exchange === '' ? 'queue-missing' : 'unroutable';
}

function count(rows: Map<string, Growing>, place: Place, letter: DeadLetter, catalog: Catalog): void {
  const { address, queues } = place;
  const { type, decoded } = letter;
  const key = JSON.stringify([address.exchange, address.routingKey, type ?? null]);
  const row = rows.get(key) ?? { address, queues, type, known: false, count: 0, invalid: 0 };
  row.known ||= decoded.valid || (type !== undefined && catalog.find(type) !== undefined);
  row.count++;
  if (row.known && !decoded.valid) row.invalid++;
  rows.set(key, row);
}
