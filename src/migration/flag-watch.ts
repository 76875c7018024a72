/**
 * The flag as a running service knows it. The file is read again and again and its bytes compared: that sees a rename, a
 * swapped link, an edit in place and a network disk alike. Decisions come from memory, whatever becomes of the file.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type SetTimer, unrefTimer } from '../core/consuming/timer.js';
import { EventsError, messageOf } from '../core/errors.js';
import type { StageSource } from '../core/migration/stage-source.js';
import { lineForPeople } from '../core/safe-text.js';
import { fileHash, type MigrationFlag, readFlag } from './flag-document.js';
import { loadFlagBytes, textOf } from './flag-file.js';
import { type FlagState, NO_FLAG } from './flag-state.js';
import { positionText } from './position-text.js';

/**
 * What keeps the file from being followed: the last good state counts meanwhile.
 * - `missing`: there is no file (at the start that means `off`);
 * - `unreadable`: no permission, no regular file, a disk that does not answer;
 * - `invalid`: half written, broken, or not a flag of ours;
 * - `over`: it can be followed again.
 */
export interface FlagTrouble {
  readonly kind: 'missing' | 'unreadable' | 'invalid' | 'over';
  /** One line, fit for people. */
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface FlagWatch extends StageSource {
  readonly state: FlagState;
  /** SHA-256 of the file that says so, in hex; null: there has been no file. */
  readonly hash: string | null;
  /** Undefined while all is well. */
  readonly trouble: FlagTrouble | undefined;
  /** Looks at the file now. Resolves when what it says counts; never rejects. */
  look(): Promise<void>;
  /** Ends the watching; the last state stays. Idempotent. */
  close(): Promise<void>;
}

export interface FlagWatchOptions {
  readonly path: string;
  /** Milliseconds between two looks. Default 500. */
  readonly pollMs?: number;
  /** Told each new state, not the first one. Must not throw. */
  readonly onChange?: (state: FlagState, before: FlagState) => void;
  /** Told once per trouble, and when it is over; also about the first look. Must not throw. */
  readonly onTrouble?: (trouble: FlagTrouble) => void;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
  /** Default: timers that keep no process alive. */
  readonly setTimer?: SetTimer;
  /** Waits between looks at the start. Default setTimeout. */
  readonly pause?: (ms: number) => Promise<void>;
  /** Default: the file's bytes, undefined where there is none; rejects with `flag-invalid`. */
  readonly load?: (path: string) => Promise<Uint8Array | undefined>;
}

const POLL_MS = 500;
/** A file that is being written as the service starts gets this many looks. */
const FIRST_LOOKS = 4;
/** A look at a disk that hangs never ends. */
const NO_ANSWER_MS = 5_000;

/**
 * Reads the file and watches it. No file: `off`, told as `missing`. Rejects with `flag-invalid` when the file stays unusable
 * for four looks: nobody knows then what a service that begins should do.
 */
export async function watchFlag(options: FlagWatchOptions): Promise<FlagWatch> {
  const { path, pollMs = POLL_MS, load = loadFlagBytes, pause = delay } = options;
  for (let looks = 1; ; looks++) {
    try {
      const bytes = await load(path);
      return new Watch({ ...options, pollMs, load }, bytes);
    } catch (error) {
      if (looks === FIRST_LOOKS) throw error;
    }
    await pause(pollMs);
  }
}

type Settled = FlagWatchOptions & Required<Pick<FlagWatchOptions, 'pollMs' | 'load'>>;

/** Undefined: there was no file. */
type Bytes = Uint8Array | undefined;

class Watch implements FlagWatch {
  readonly #options: Settled;
  readonly #setTimer: SetTimer;
  #flag: MigrationFlag;
  /** Of the last good file. */
  #bytes: Bytes;
  hash: string | null;
  /** Of the last one that was no good: it need not be read twice. */
  #refused: Bytes;
  #trouble: FlagTrouble | undefined;
  #looking: Promise<void> | undefined;
  #callOff: () => void = () => {};
  #closed = false;

  /** Throws `flag-invalid`. */
  constructor(options: Settled, bytes: Bytes) {
    this.#options = options;
    this.#setTimer = options.setTimer ?? unrefTimer;
    this.#flag = flagIn(bytes, options.path);
    this.#bytes = bytes;
    this.hash = hashOf(bytes);
    if (bytes === undefined) this.#miss();
    this.#wait();
  }

  get state(): FlagState {
    return this.#flag.state;
  }

  get trouble(): FlagTrouble | undefined {
    return this.#trouble;
  }

  decide(jobId: string | undefined): ReturnType<StageSource['decide']> {
    return this.#flag.decide(jobId);
  }

  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#callOff();
  }

  #wait(): void {
    if (this.#closed) return;
    this.#callOff = this.#setTimer(() => void this.look().finally(() => this.#wait()), this.#options.pollMs);
  }

  async #look(): Promise<void> {
    const { load, path } = this.#options;
    const answered = this.#setTimer(() => {
      this.#tell(
        'unreadable',
        `${path} cannot be read: the disk has not answered for ${NO_ANSWER_MS / 1_000} s`,
      );
    }, NO_ANSWER_MS);
    try {
      const bytes = await load(path);
      if (!this.#closed) this.#take(bytes);
    } catch (error) {
      this.#tell('unreadable', troubleText(error));
    } finally {
      answered();
    }
  }

  #take(bytes: Bytes): void {
    if (bytes === undefined) this.#miss();
    else if (this.#bytes !== undefined && isSame(bytes, this.#bytes)) this.#recover();
    else if (this.#trouble?.kind !== 'invalid' || !isSame(bytes, this.#refused)) this.#change(bytes);
  }

  #miss(): void {
    const { path } = this.#options;
    if (this.#bytes !== undefined) this.#tell('missing', `The flag file ${path} is gone`);
    else this.#tell('missing', `There is no flag file ${path}: the stage is off`);
  }

  #change(bytes: Uint8Array): void {
    const { path, onChange } = this.#options;
    const before = this.#flag.state;
    try {
      this.#flag = flagIn(bytes, path);
    } catch (error) {
      this.#refused = bytes;
      this.#tell('invalid', troubleText(error));
      return;
    }
    this.#bytes = bytes;
    this.hash = hashOf(bytes);
    this.#recover();
    const { state } = this.#flag;
    if (!isDeepStrictEqual(before, state)) onChange?.(state, before);
  }

  #recover(): void {
    if (this.#trouble === undefined) return;
    this.#trouble = undefined;
    const { path, onTrouble, now = Date.now } = this.#options;
    onTrouble?.({ kind: 'over', text: lineForPeople(`The flag file ${path} can be read again`), at: now() });
  }

  #tell(kind: FlagTrouble['kind'], what: string): void {
    const { now = Date.now, onTrouble } = this.#options;
    if (this.#closed) return;
    const kept =
      this.#bytes === undefined ? '' : `; still ${positionText(this.#flag.state)}, as it said last`;
    const text = lineForPeople(what + kept);
    if (this.#trouble?.kind === kind && this.#trouble.text === text) return;
    this.#trouble = { kind, text, at: now() };
    onTrouble?.(this.#trouble);
  }
}

function flagIn(bytes: Bytes, path: string): MigrationFlag {
  if (bytes !== undefined) return readFlag(textOf(bytes, path), path);
  const nobody = { stage: NO_FLAG.stage, epoch: NO_FLAG.epoch, inSample: false };
  return { state: NO_FLAG, decide: () => nobody };
}

const hashOf = (bytes: Bytes) => (bytes === undefined ? null : fileHash(bytes));

const isSame = (a: Uint8Array, b: Bytes) => b !== undefined && Buffer.compare(a, b) === 0;

function troubleText(error: unknown): string {
  const hint = error instanceof EventsError && error.hint !== undefined ? ` (${error.hint})` : '';
  return messageOf(error) + hint;
}
