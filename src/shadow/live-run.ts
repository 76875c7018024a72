/**
 * A shadow run that is live: the recording proxy for the callbacks, taps for the events, files that services append to,
 * and the recorder behind them. The proxy comes first and goes last: whatever befalls the others, callbacks pass.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Catalog } from '../core/events/catalog.js';
import { parseShadowMapping, type ShadowMapping } from '../core/shadow-mapping.js';
import type { Topology } from '../core/topology/model.js';
import type { Transport } from '../core/transport.js';
import { within } from '../core/within.js';
import type { CallbackRecord } from '../legacy/callback-record.js';
import { type ProxyCounts, type RecordingProxyOptions, startRecordingProxy } from '../legacy/proxy.js';
import { createFlagLook } from './flag-look.js';
import { startLiveTaps } from './live-taps.js';
import { type Recorder, startRecorder } from './recorder.js';
import type { PlainError } from './recorder-messages.js';
import type { RunItem } from './run-item.js';
import type { RunSummary } from './run-summary.js';
import { openSpool } from './spool.js';
import { shadowBindings } from './tap-bindings.js';
import type { SourcePath } from './watermarks.js';

/** A file that a service appends to; see `createCallbackRecorder` and `createDeliveryRecorder`. */
export interface SpoolFile {
  readonly path: string;
  readonly holds: 'callbacks' | 'reports';
  /** Everything that this consumer acks is in it: an event that it does not report was not consumed. */
  readonly allOf?: string;
}

export interface LiveRunOptions {
  readonly proxy: Pick<
    RecordingProxyOptions,
    'listen' | 'upstreams' | 'route' | 'bodyLimit' | 'rewriteHost' | 'secretHeaders'
  >;
  readonly transport: Transport;
  readonly catalog: Catalog;
  readonly topology: Topology;
  readonly mapping: ShadowMapping;
  /** File of the store. */
  readonly store: string;
  readonly files?: readonly SpoolFile[];
  /** The migration flag's file: what it was meanwhile is kept with the run. Default: none is looked at. */
  readonly flagFile?: string;
  /** How long a leg waits, in milliseconds. Default: the larger of 60 s and three times the p99.9 of what was seen. */
  readonly windowMs?: number;
  readonly budgetMs?: number;
  /** Milliseconds between two checkpoints. Default 1,000. */
  readonly checkpointMs?: number;
  readonly now: () => number;
  /** What must not be missed, in words; names in it come from outside. */
  readonly warn: (text: string) => void;
  readonly note: (text: string) => void;
}

export interface LiveRun {
  /** Where the proxy listens. */
  readonly url: string;
  status(): LiveStatus;
  /** Lets callbacks in flight end, saves, and gives everything back. `saved`: nothing of it is missing in the store. */
  end(): Promise<LiveStatus & { readonly saved: boolean }>;
}

export interface LiveStatus {
  readonly callbacks: ProxyCounts;
  /** Taps are bound at the broker. */
  readonly tapping: boolean;
  /** The store takes what is recorded. */
  readonly recording: boolean;
  /** As of the last checkpoint. */
  readonly summary: RunSummary | undefined;
}

export const PROXY = 'proxy';
export const TAPS = 'taps';

const TICK_MS = 200;
/** A process that was stopped (a laptop's lid, SIGSTOP) has not looked. */
const STOPPED_MS = 10_000;
const DRAIN_MS = 10_000;
/** Copies of what callbacks in flight told may come a moment after them. */
const LAST_COPIES_MS = 200;
/** A disk that hangs must not keep a run from ending. */
const FLAG_MS = 1_000;

/**
 * Rejects with `usage` (the store is another run's, the address is taken, an upstream's URL cannot be used) and
 * `config-invalid`. A broker that is not there, or a full disk, does not keep it from starting.
 */
export async function startLiveRun(options: LiveRunOptions): Promise<LiveRun> {
  const { now, warn, note, transport, catalog, topology, files = [] } = options;
  const { legs } = parseShadowMapping(options.mapping);
  const spools = files.map((file) => ({ ...file, source: nameOf(file) }));
  const reporting = files.flatMap(({ allOf }) => (allOf === undefined ? [] : [allOf]));
  let summary: RunSummary | undefined;

  let recorder: Recorder | undefined;
  const put = (item: RunItem) => recorder?.put(item);
  const room = () => recorder?.room();
  let [recorded, refused] = [() => {}, () => {}];
  const recorderIsThere = new Promise<void>((resolve, reject) => {
    [recorded, refused] = [resolve, reject];
  });
  recorderIsThere.catch(() => {}); // whoever waits for it is told; perhaps nobody does
  const readers = spools.map(({ path, source, holds }) =>
    openSpool({ path, source, holds: holds === 'callbacks' ? 'callback' : 'event', put }),
  );

  let flagSeen: string | null | undefined;
  const putFlag = () => {
    if (flagSeen !== undefined) put({ kind: 'flag', hash: flagSeen, at: now() });
  };
  const flag = createFlagLook(options.flagFile, (hash) => {
    if (hash === flagSeen) return;
    flagSeen = hash;
    putFlag();
  });

  const keep = (record: CallbackRecord): Promise<void> | undefined => {
    put({ kind: 'callback', source: PROXY, line: JSON.stringify(record) });
    return room();
  };
  const proxy = await startRecordingProxy({
    ...options.proxy,
    now,
    onRecord(record) {
      if (recorder === undefined) return recorderIsThere.then(() => keep(record));
      return keep(record);
    },
    onGap({ from, to, lost }) {
      if (recorder === undefined) return;
      put({ kind: 'gap', source: PROXY, from: Date.parse(from), to: Date.parse(to) });
      warn(
        `${lost} callback${lost === 1 ? ' was' : 's were'} forwarded and not recorded: a gap is recorded.`,
      );
      return room(); // what is lost until then is one more gap, told once
    },
  });
  try {
    recorder = await startRecorder({
      path: options.store,
      mapping: options.mapping,
      topology,
      sources: {
        [PROXY]: 'callback' as const,
        [TAPS]: 'event' as const,
        ...Object.fromEntries(spools.map(({ source, holds }) => [source, pathOf(holds)])),
      },
      files: spools.map(({ source }) => source),
      ...(reporting.length > 0 && { reporting }),
      ...(options.windowMs !== undefined && { windowMs: options.windowMs }),
      ...(options.budgetMs !== undefined && { budgetMs: options.budgetMs }),
      everyMs: options.checkpointMs ?? 1_000,
      now,
      onTrouble: (error) => warn(troubleText(error)),
      onResumed: () => note('Recording again; the time without is a gap.'),
      onSaved: (saved) => {
        summary = saved;
      },
      onOpened(places) {
        for (const reader of readers) reader.goTo(places[reader.source]);
        putFlag(); // what was put before may be lost
      },
    });
  } catch (error) {
    refused();
    await proxy.close({ drainMs: DRAIN_MS });
    throw error;
  }
  const { end: endRecording, isRecording } = recorder;
  put({ kind: 'up', source: PROXY, at: now() });
  recorded();
  const taps = startLiveTaps({
    transport,
    catalog,
    bindings: shadowBindings(legs, topology, catalog),
    source: TAPS,
    put,
    room,
    now,
    pause: (ms, signal) => pause(ms, undefined, { signal }),
    warn,
    note,
  });

  let ticked = now();
  const tick = () => {
    const at = now();
    if (at - ticked > STOPPED_MS) {
      for (const source of [PROXY, TAPS]) put({ kind: 'gap', source, from: ticked, to: at });
      warn(`This process was stopped for ${Math.round((at - ticked) / 1000)} s: a gap is recorded.`);
    }
    ticked = at;
    flag.look();
    if (room() !== undefined) return; // nobody takes anything, perhaps for days: watermarks would pile up
    put({ kind: 'watermark', source: PROXY, at: Date.parse(proxy.watermark()) });
    const copiesUpTo = taps.watermark();
    if (copiesUpTo !== undefined) put({ kind: 'watermark', source: TAPS, at: copiesUpTo });
    for (const reader of readers) reader.read(at);
  };
  const ticking = setInterval(tick, TICK_MS);
  tick();

  const status = (): LiveStatus => ({
    callbacks: proxy.counts(),
    tapping: taps.isUp(),
    recording: isRecording(),
    summary,
  });
  const end = async () => {
    const { untoldGap } = await proxy.close({ drainMs: DRAIN_MS });
    if (untoldGap !== undefined) {
      const { from, to } = untoldGap;
      put({ kind: 'gap', source: PROXY, from: Date.parse(from), to: Date.parse(to) });
    }
    await pause(LAST_COPIES_MS);
    clearInterval(ticking);
    tick();
    await within(FLAG_MS, flag.looked());
    await taps.close();
    for (const reader of readers) reader.close();
    const saved = await endRecording(DRAIN_MS);
    return { ...status(), saved };
  };
  let ending: ReturnType<typeof end> | undefined;
  return {
    url: proxy.url,
    status,
    end() {
      ending ??= end();
      return ending;
    },
  };
}

const pathOf = (holds: SpoolFile['holds']): SourcePath => (holds === 'callbacks' ? 'callback' : 'report');
const nameOf = ({ path, holds }: SpoolFile) => `${holds} in ${path}`;

function troubleText({ message, hint }: PlainError): string {
  return [
    `Nothing is recorded for now: ${message}.`,
    ...(hint === undefined ? [] : [hint]),
    'Callbacks are forwarded all the same; it is tried again every second, and the time without is a gap.',
  ].join(' ');
}
