/** One callback on its way through the proxy: what its record will say. */
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { brotliDecompressSync, constants, gunzipSync, inflateSync } from 'node:zlib';
import { isoTime } from '../core/events/iso-time.js';
import { type BoundedCopy, type CopyBudget, createBoundedCopy } from './bounded-copy.js';
import { ANSWER_LIMIT, bodyFields, type CallbackRecord, startFields } from './callback-record.js';
import { headerRecord } from './raw-headers.js';
import type { PendingRecord } from './record-queue.js';
import { redactHeaders } from './redaction.js';

export interface ExchangeOptions {
  readonly now: () => number;
  readonly bodyLimit: number;
  readonly budget: CopyBudget;
  readonly secretHeaders: readonly string[];
}

export class Exchange {
  readonly startedAt: number;
  readonly at: string;
  upstream: string | undefined;
  /** The connection to the upstream was there. */
  connected = false;
  private readonly body: BoundedCopy;
  private readonly answer: BoundedCopy;
  private answered: IncomingMessage | undefined;
  private failure: CallbackRecord['failure'];
  private cause: string | undefined;
  private bodyWatched = false;
  private bodyComplete = false;
  private durationMs = 0;

  constructor(
    readonly request: IncomingMessage,
    readonly response: ServerResponse,
    private readonly options: ExchangeOptions,
  ) {
    this.startedAt = options.now();
    this.at = isoTime(this.startedAt);
    this.body = createBoundedCopy(options.bodyLimit, options.budget);
    this.answer = createBoundedCopy(ANSWER_LIMIT, options.budget);
  }

  /** From here on the body is read: to be called in the same turn as whatever else reads it. */
  watchBody(): void {
    if (this.bodyWatched) return;
    this.bodyWatched = true;
    this.request.on('data', (chunk: Buffer) => this.body.add(chunk));
    this.request.once('end', () => {
      this.bodyComplete = true;
    });
  }

  /** The connection that a request goes out on. */
  watchConnection({ socket }: ClientRequest): void {
    this.connected = socket?.connecting === false;
    // A connection that was kept has told this already, and would gather listeners.
    if (this.connected) return;
    socket?.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
      this.connected = true;
    });
  }

  /** The upstream answers. To be called in the same turn as whatever else reads the answer. */
  watchAnswer(answer: IncomingMessage): void {
    this.answered = answer;
    if ((answer.statusCode ?? 0) >= 400) answer.on('data', (chunk: Buffer) => this.answer.add(chunk));
    answer.once('close', () => {
      if (!answer.complete) this.fail('cut', answer.errored);
    });
  }

  get hasAnswer(): boolean {
    return this.answered !== undefined;
  }

  /** There is no whole answer. The first reason stands. */
  fail(failure: NonNullable<CallbackRecord['failure']>, error?: unknown): void {
    if (this.failure !== undefined) return;
    this.failure = failure;
    this.cause = codeOf(error);
  }

  /**
   * Calls `over` once the caller has its answer, or is gone, and has sent its body: a receiver may answer before it
   * has read everything.
   */
  whenOver(over: (record: PendingRecord) => void): void {
    const { request, response } = this;
    const caller = request.socket;
    response.once('close', () => {
      if (!response.writableFinished) this.fail('client-gone');
      this.durationMs = Math.max(0, this.options.now() - this.startedAt);
      if (request.readableEnded || request.destroyed || caller.destroyed) return over(this.pendingRecord());
      const end = () => {
        request.off('end', end);
        caller.off('close', end);
        over(this.pendingRecord());
      };
      request.once('end', end);
      caller.once('close', end); // once it has its answer, a request is not told of this
    });
  }

  private pendingRecord(): PendingRecord {
    return {
      at: this.at,
      make: () => this.record(),
      release: () => {
        this.body.release();
        this.answer.release();
      },
    };
  }

  private record(): CallbackRecord {
    const { request, answered, failure, cause, upstream, durationMs } = this;
    const truncated = this.body.truncated || !this.bodyComplete;
    const words = answered === undefined ? '' : this.words(answered);
    const bytes = this.body.bytes();
    return {
      at: this.at,
      method: request.method ?? '',
      path: request.url ?? '',
      headers: redactHeaders(headerRecord(request.rawHeaders), this.options.secretHeaders),
      ...(truncated ? startFields(bytes) : bodyFields(bytes)),
      ...(truncated && { bodyBytes: this.body.total, truncated }),
      status: answered?.statusCode ?? null,
      durationMs,
      ...(upstream !== undefined && { upstream }),
      ...(words !== '' && { answer: words }),
      ...(failure !== undefined && { failure }),
      ...(cause !== undefined && { cause }),
    };
  }

  /** The start of the answer's text. What is no text is not shown as one. */
  private words({ headers }: IncomingMessage): string {
    const bytes = this.answer.bytes();
    const text = decoded(bytes, headers['content-encoding']).toString('utf8').slice(0, ANSWER_LIMIT);
    return text.includes('\0') ? '' : text.replace(/\uFFFD+$/, '');
  }
}

const DECODERS: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: (bytes) => gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 1 << 20 }),
  deflate: (bytes) => inflateSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 1 << 20 }),
  br: (bytes) =>
    brotliDecompressSync(bytes, {
      finishFlush: constants.BROTLI_OPERATION_FLUSH,
      maxOutputLength: 1 << 20,
    }),
};

function decoded(bytes: Buffer, encoding: string | undefined): Buffer {
  if (encoding === undefined || encoding === 'identity' || bytes.length === 0) return bytes;
  try {
    return DECODERS[encoding.toLowerCase()]?.(bytes) ?? Buffer.alloc(0);
  } catch {
    return Buffer.alloc(0); // damaged or cut where it cannot be read: the status tells enough
  }
}

/** `ECONNREFUSED` and the like, which name no host. */
function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
