/**
 * Hands what the sources tell to a thread that matches and stores it. The thread may be slow, in trouble or dead:
 * whoever calls here is never held up by it, and told when to hold back.
 */
import { Worker } from 'node:worker_threads';
import { EventsError } from '../core/errors.js';
import { within } from '../core/within.js';
import type { FromThread, PlainError, ThreadOptions, ToThread } from './recorder-messages.js';
import { type FilePlaces, type RunItem, sizeOf } from './run-item.js';
import type { RunSummary } from './run-summary.js';

export interface RecorderOptions extends ThreadOptions {
  readonly now: () => number;
  /** What was not saved is lost, and so is what comes until `onResumed`; told once for each trouble. */
  readonly onTrouble: (error: PlainError) => void;
  readonly onResumed: () => void;
  readonly onSaved?: (summary: RunSummary) => void;
  /** It records, from now on. What files held since these places is lost, and must be put again. */
  readonly onOpened?: (places: FilePlaces) => void;
  /** The program of the thread. Default: the compiled `recording-thread`. */
  readonly thread?: URL;
}

export interface Recorder {
  /** Never throws. */
  put(item: RunItem): void;
  /** Undefined while there is room; else resolves when there is. */
  room(): Promise<void> | undefined;
  /** Whether things are recorded at this moment. */
  isRecording(): boolean;
  /** Makes everything last. Resolves with whether that went well, after `withinMs` in any case. */
  end(withinMs: number): Promise<boolean>;
}

/** Items that may wait for the thread: a second or so of the most that services can send. */
const MOST_WAITING = 20_000;
/** Bytes that they may take: bodies of a megabyte each must not fill the memory while a disk hangs. */
const MOST_BYTES = 64 * 2 ** 20;
const BATCH = 500;
/** A disk that is all but full takes a little now and then: it is told as one trouble until it took so many checkpoints. */
const STEADY = 3;

/** From `dist/bundle` as well as from `dist/shadow` or `src/shadow`: a thread needs a file of its own. */
const THREAD = new URL('../../dist/shadow/recording-thread.js', import.meta.url);

/** Resolves once it records, or is in trouble with the store and tries on. Rejects with `usage` or `config-invalid`. */
export async function startRecorder(options: RecorderOptions): Promise<Recorder> {
  const {
    now,
    onTrouble,
    onResumed,
    onSaved,
    onOpened,
    thread: program = THREAD,
    ...threadOptions
  } = options;
  const up = new Set<string>();
  let batch: RunItem[] = [];
  let batchBytes = 0;
  let waiting = 0;
  let waitingBytes = 0;
  let opening = 0;
  let flushing = false;
  let recording = false;
  let inTrouble = false;
  let openedAt = 0;
  let ending: { readonly done: (saved: boolean) => void } | undefined;
  let thread: Worker | undefined;
  let hasRoom = gate();

  const post = (message: ToThread) => thread?.postMessage(message);
  const flush = () => {
    flushing = false;
    if (thread !== undefined) send(batch, batchBytes);
    batch = [];
    batchBytes = 0;
  };
  const send = (items: readonly RunItem[], size: number) => {
    if (items.length === 0) return;
    waiting += items.length;
    waitingBytes += size;
    post({ type: 'items', opening, items, size });
  };
  const isFull = () => waiting + batch.length >= MOST_WAITING || waitingBytes + batchBytes >= MOST_BYTES;
  const freed = (count: number, size: number) => {
    waiting -= count;
    waitingBytes -= size;
    if (isFull()) return;
    hasRoom.open();
    hasRoom = gate();
  };
  const troubled = (error: PlainError) => {
    recording = false;
    if (inTrouble) return;
    inTrouble = true;
    onTrouble(error);
  };

  const start = (opened: () => void, refused: (error: EventsError) => void) => {
    const own = new Worker(program, { workerData: threadOptions });
    thread = own;
    own.on('message', (message: FromThread) => {
      switch (message.type) {
        case 'opened':
          recording = true;
          // What was put before was of the time that is lost, and goes with it.
          flush();
          opening = message.opening;
          send(
            [...up].map((source) => ({ kind: 'up', source, at: now() })),
            0,
          );
          openedAt = now();
          onOpened?.(message.places);
          opened();
          break;
        case 'taken':
          freed(message.count, message.size);
          break;
        case 'saved':
          if (inTrouble && recording && now() - openedAt >= STEADY * options.everyMs) {
            inTrouble = false;
            onResumed();
          }
          onSaved?.(message.summary);
          break;
        case 'trouble':
          troubled(message.error);
          opened();
          break;
        case 'refused':
          refused(
            new EventsError(message.error.code ?? 'storage', message.error.message, hintOf(message.error)),
          );
          break;
        case 'ended':
          ending?.done(message.saved);
      }
    });
    own.on('error', (error) => {
      troubled({ code: undefined, message: `the recorder failed: ${error.message}`, hint: undefined });
    });
    own.once('exit', (code) => {
      thread = undefined;
      opening = 0;
      freed(waiting, waitingBytes);
      ending?.done(false);
      if (ending !== undefined) return;
      troubled({ code: undefined, message: `the recorder ended (${code})`, hint: undefined });
      opened();
      setTimeout(() => {
        if (ending !== undefined) return;
        start(
          () => {},
          ({ code, message, hint }) => {
            troubled({ code, message, hint });
            void thread?.terminate(); // to be started again: whoever has the store may give it back
          },
        );
      }, options.everyMs).unref();
    });
  };
  await new Promise<void>(start).catch(async (error: unknown) => {
    ending = { done: () => {} };
    await thread?.terminate();
    throw error;
  });

  return {
    put(item) {
      if (item.kind === 'up') up.add(item.source);
      if (item.kind === 'down') up.delete(item.source);
      batch.push(item);
      batchBytes += sizeOf(item);
      if (batch.length >= BATCH) flush();
      else if (!flushing) {
        flushing = true;
        setImmediate(flush);
      }
    },
    room: () => (isFull() ? hasRoom.opened : undefined),
    isRecording: () => recording,
    async end(withinMs) {
      flush();
      let saved = false;
      const ended = new Promise<void>((resolve) => {
        ending = {
          done(well) {
            saved ||= well;
            resolve();
          },
        };
        if (thread === undefined) resolve();
      });
      post({ type: 'end' });
      await within(withinMs, ended);
      ending = { done: () => {} };
      await thread?.terminate();
      return saved;
    },
  };
}

function hintOf({ hint }: PlainError): { readonly hint?: string } {
  return hint === undefined ? {} : { hint };
}

function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
