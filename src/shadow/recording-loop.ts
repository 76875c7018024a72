/**
 * A recording that goes on: checkpoints about once a second, and after trouble with the store (a full disk, say) opens
 * it again as soon as it takes something. Nothing of this is seen by the sources, which go on telling.
 */
import { type EventsError, isEventsError, messageOf } from '../core/errors.js';
import { sqliteCode } from '../storage/errors.js';
import type { FromThread, PlainError, ThreadOptions, ToThread } from './recorder-messages.js';
import { openRecording, type Recording } from './recording.js';

export interface LoopDeps {
  readonly tell: (message: FromThread) => void;
  readonly now: () => number;
  /** Calls `fire` once, after so many milliseconds. */
  readonly later: (ms: number, fire: () => void) => void;
}

export interface RecordingLoop {
  hear(message: ToThread): void;
}

/** A checkpoint may take this share of the time: where a hundred thousand legs are open, it takes a while. */
const BUSY_SHARE = 0.1;

/** Opens the store at once, and tells how that went. */
export function startRecordingLoop(options: ThreadOptions, { tell, now, later }: LoopDeps): RecordingLoop {
  let recording: Recording | undefined;
  let over = false;
  let opening = 0;

  const fail = (error: unknown) => {
    recording?.close();
    recording = undefined;
    tell({ type: 'trouble', error: plain(error) });
  };
  const save = (ended: boolean): boolean => {
    if (recording === undefined) return false;
    try {
      tell({ type: 'saved', summary: recording.checkpoint(now(), ended) });
      return true;
    } catch (error) {
      fail(error);
      return false;
    }
  };
  /** Open only when the store has taken something. Throws what `openRecording` does. */
  const open = (): boolean => {
    recording = openRecording(options, now());
    if (!save(false)) return false;
    tell({ type: 'opened', opening: ++opening, places: recording.places() });
    return true;
  };
  const openAgain = (): boolean => {
    try {
      return open();
    } catch (error) {
      fail(error);
      return false;
    }
  };
  const beat = () => {
    if (over) return;
    const began = now();
    if (recording === undefined) openAgain();
    else save(false);
    later(Math.max(options.everyMs, (now() - began) / BUSY_SHARE), beat);
  };

  try {
    open();
    later(options.everyMs, beat);
  } catch (error) {
    if (isEventsError(error, 'storage') && !isMistake(error)) {
      // The callbacks go on without a record: better than not at all.
      fail(error);
      later(options.everyMs, beat);
    } else {
      over = true;
      tell({ type: 'refused', error: plain(error) });
    }
  }

  return {
    hear(message) {
      if (message.type === 'end') {
        over = true;
        const saved = (recording !== undefined || openAgain()) && save(true);
        recording?.close();
        recording = undefined;
        tell({ type: 'ended', saved });
        return;
      }
      const { items, size } = message;
      try {
        if (message.opening === opening) for (const item of items) recording?.take(item, now());
      } catch (error) {
        fail(error);
      }
      tell({ type: 'taken', count: items.length, size });
    },
  };
}

/** The path cannot be a store, today or tomorrow: somebody mistyped it. A disk in trouble may get well again. */
function isMistake(error: EventsError): boolean {
  const code = sqliteCode(error);
  return error.cause === undefined || code === 'SQLITE_NOTADB' || code === 'SQLITE_CANTOPEN';
}

function plain(error: unknown): PlainError {
  if (!isEventsError(error)) return { code: undefined, message: messageOf(error), hint: undefined };
  return { code: error.code, message: error.message, hint: error.hint };
}
