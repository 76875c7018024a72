import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readCallbackLine } from '../../src/legacy/callback-record.js';
import { createCallbackRecorder } from '../../src/legacy/record-callback.js';
import type { CallbackGap } from '../../src/legacy/record-queue.js';
import { openAppend } from '../../src/storage/append-file.js';
import { within } from '../await.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'atma-callbacks-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const noGap = (gap: CallbackGap) => {
  throw new Error(`a gap: ${JSON.stringify(gap)}`);
};

describe('callbacks that a service records itself', () => {
  it('become lines like those of the proxy', async () => {
    const path = join(folder, 'callbacks.jsonl');
    const file = openAppend(path);
    const now = () => Date.parse('2026-03-01T10:00:01.000Z');
    const { recordCallback, close } = createCallbackRecorder({ write: file.append, onGap: noGap, now });
    const body = { jobId: 'j1' };
    recordCallback({
      method: 'POST',
      path: '/notifications/analysis-complete',
      headers: { 'X-Service-Key': 'secret', 'Content-Length': 14, Absent: undefined, 'X-A': ['1', 2] },
      body,
      status: 400,
      durationMs: 250,
      upstream: 'notification',
      answer: 'result_id is required',
    });
    body.jobId = 'changed since';
    recordCallback({ method: 'POST', path: '/a', body: '{"a": 1}', status: null, startedAt: 0 });
    recordCallback({ method: 'POST', path: '/b', body: Buffer.from([0xff]), status: 204 });
    expect(await close()).toBeUndefined();
    file.close();
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines.map(readCallbackLine)).toEqual([
      {
        at: '2026-03-01T10:00:00.750Z',
        method: 'POST',
        path: '/notifications/analysis-complete',
        headers: { 'x-service-key': '[redacted]', 'content-length': '14', 'x-a': ['1', '2'] },
        body: { jobId: 'j1' },
        status: 400,
        durationMs: 250,
        upstream: 'notification',
        answer: 'result_id is required',
      },
      { at: '1970-01-01T00:00:00.000Z', method: 'POST', path: '/a', body: '{"a": 1}', status: null },
      {
        at: '2026-03-01T10:00:01.000Z',
        method: 'POST',
        path: '/b',
        body: null,
        bodyBase64: '/w==',
        status: 204,
      },
    ]);
  });

  it('never throw into the service: what cannot be recorded is a gap', async () => {
    const gaps: CallbackGap[] = [];
    const lines: string[] = [];
    const { recordCallback, close } = createCallbackRecorder({
      write: (line) => {
        if (line.includes('/full')) throw new Error('disk full');
        lines.push(line);
      },
      onGap: (gap) => void gaps.push(gap),
    });
    const circular: { self?: unknown } = {};
    circular.self = circular;
    recordCallback({ method: 'POST', path: '/circular', body: circular, status: 200 });
    recordCallback({ method: 'POST', path: '/full', status: 200 });
    recordCallback({ method: 'POST', path: '/when', status: 200, startedAt: 1e300, durationMs: Number.NaN });
    recordCallback({ method: 'POST', path: '/fine', status: 200 });
    await close();
    expect(gaps.reduce((sum, { lost }) => sum + lost, 0)).toBe(2);
    expect(lines.map((line) => readCallbackPath(line))).toEqual(['/when', '/fine']);
  });

  it('do not wait for a spool that hangs', async () => {
    const gaps: CallbackGap[] = [];
    const { recordCallback, close } = createCallbackRecorder({
      write: () => new Promise(() => {}),
      onGap: (gap) => void gaps.push(gap),
      backlogLimit: 2,
    });
    for (let n = 0; n < 5; n++) recordCallback({ method: 'POST', path: `/${n}`, status: 200 });
    await within('the end', close({ withinMs: 10 }));
    expect(gaps.reduce((sum, { lost }) => sum + lost, 0)).toBe(5);
  });
});

function readCallbackPath(line: string): string {
  return readCallbackLine(line).path;
}
