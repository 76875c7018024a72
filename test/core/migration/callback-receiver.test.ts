/** The HTTP side of a service: what it makes of callbacks with stamps, with damaged ones, and with none. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import type { IdempotencyStore } from '../../../src/core/consuming/idempotency.js';
import { createOnce } from '../../../src/core/consuming/once.js';
import { EventsError } from '../../../src/core/errors.js';
import {
  type CallbackReceiver,
  createCallbackReceiver,
  type RequestHeaders,
} from '../../../src/core/migration/callback-receiver.js';
import { STAGES } from '../../../src/core/migration/stage.js';
import { callbackHeadersOf } from '../../../src/core/migration/stamp.js';
import { within } from '../../await.js';
import { useStores } from '../../storage/stores.js';
import { stampOf } from './stamped.js';

interface Refused {
  readonly jobId: string;
}

const scene = useStores();
const releases: (() => void)[] = [];
afterEach(() => {
  for (const release of releases.splice(0)) release();
});

const fact = ({ jobId }: Refused) => `analysis.failed:${jobId}`;

function receiver(): CallbackReceiver<Refused> {
  return createCallbackReceiver<Refused>({ store: scene.open(), consumer: 'assessment-service', fact });
}

const headers = callbackHeadersOf(stampOf('live', 'analysis.failed:j-1'));

/** For a store of which one method is to fail. */
function withMethodsOf(store: IdempotencyStore): IdempotencyStore {
  return {
    claim: (...args) => store.claim(...args),
    renew: (...args) => store.renew(...args),
    complete: (...args) => store.complete(...args),
    release: (...args) => store.release(...args),
    find: (key) => store.find(key),
    close: () => store.close(),
  };
}

/** A service whose only route counts refunds. */
async function serve(callbacks: CallbackReceiver<Refused>) {
  const refunds: string[] = [];
  const seen: IncomingHttpHeaders[] = [];
  const server = createServer(async (request, response) => {
    const body = (await json(request)) as Refused;
    seen.push(request.headers);
    const { effect, ...told } = callbacks.receive(request.headers, body);
    const outcome = await effect(() => refunds.push(body.jobId));
    response.end(JSON.stringify({ ...told, outcome }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  releases.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const post = async (jobId: string, sent: Record<string, string> = {}) => {
    const response = await fetch(url, { method: 'POST', headers: sent, body: JSON.stringify({ jobId }) });
    return response.json();
  };
  return { refunds, seen, post };
}

describe('a callback over HTTP', () => {
  it.each(STAGES)('stamped %s is applied or not as its stage says, once', async (stage) => {
    const { post, refunds } = await serve(receiver());
    const stamp = stampOf(stage, 'analysis.failed:j-1');
    const told = { stage, epoch: 3, fact: 'analysis.failed:j-1' };
    if (stage === 'off' || stage === 'publish' || stage === 'shadow') {
      const applied = { ...told, dryRun: false };
      expect(await post('j-1', callbackHeadersOf(stamp))).toEqual({
        ...applied,
        outcome: { ran: true, value: 1 },
      });
      expect(await post('j-1', callbackHeadersOf(stamp))).toEqual({
        ...applied,
        outcome: { ran: false, because: 'done', doneAt: expect.any(Number) },
      });
      expect(refunds).toEqual(['j-1']);
    } else {
      const outcome = { ran: false, because: 'dry-run' };
      expect(await post('j-1', callbackHeadersOf(stamp))).toEqual({ ...told, dryRun: true, outcome });
      expect(refunds).toEqual([]);
    }
  });

  it('of an old worker, without a stamp, is applied, once per fact of its body', async () => {
    const { post, refunds } = await serve(receiver());
    const first = await post('j-1');
    expect(first).toEqual({ dryRun: false, fact: 'analysis.failed:j-1', outcome: { ran: true, value: 1 } });
    expect(await post('j-1')).toMatchObject({ outcome: { ran: false, because: 'done' } });
    expect(await post('j-2')).toMatchObject({ outcome: { ran: true } });
    expect(refunds).toEqual(['j-1', 'j-2']);
  });

  it('whose stamp came twice, and so damaged, is applied under the fact of its body', async () => {
    const { post, refunds, seen } = await serve(receiver());
    // As a proxy joins what it found twice.
    expect(await post('j-1', { ...headers, 'x-migration-stage': 'live, shadow' })).toMatchObject({
      dryRun: false,
      fact: 'analysis.failed:j-1',
      outcome: { ran: true },
    });
    expect(seen[0]?.['x-migration-stage']).toBe('live, shadow');
    expect(refunds).toEqual(['j-1']);
  });
});

describe('headers', () => {
  const dryRunOf = (given: RequestHeaders) => receiver().receive(given, { jobId: 'j-9' }).dryRun;

  it('are understood as node, fetch and others give them', () => {
    expect(dryRunOf(headers)).toBe(true);
    expect(dryRunOf(new Headers(headers))).toBe(true);
    expect(dryRunOf(new Map(Object.entries(headers)))).toBe(true);
    const inArrays = Object.entries(headers).map(([name, value]) => [name, [value]]);
    expect(dryRunOf(Object.fromEntries(inArrays))).toBe(true);
    const inCapitals = Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]);
    expect(dryRunOf(Object.fromEntries(inCapitals))).toBe(true);
    expect(dryRunOf({ ...headers, cookie: undefined, 'x-other': ['a', 'b'] })).toBe(true);
  });

  it('that contradict each other are no stamp', () => {
    expect(dryRunOf({ ...headers, 'x-migration-stage': ['live', 'shadow'] })).toBe(false);
    expect(dryRunOf({ ...headers, 'X-Migration-Stage': 'shadow' })).toBe(false);
    expect(dryRunOf({})).toBe(false);
  });
});

describe('an effect of a callback', () => {
  it('is kept under the key that the consumer of that name uses', async () => {
    const store = scene.open();
    const once = createOnce(store);
    const { receive } = createCallbackReceiver<Refused>({ once, consumer: 'assessment-service', fact });
    await receive({}, { jobId: 'j-1' }).effect(() => 1);
    await receive({}, { jobId: 'j-1' }).effect(() => 1, { name: 'mail' });
    for (const key of ['', '#mail'].map((name) => `fact:assessment-service:analysis.failed:j-1${name}`)) {
      expect(await store.find(key)).toMatchObject({ state: 'done' });
    }
  });

  it('that throws has not happened: the next callback brings it', async () => {
    const { receive } = receiver();
    const fail = () => {
      throw new Error('the bank sleeps');
    };
    await expect(receive({}, { jobId: 'j-1' }).effect(fail)).rejects.toThrow('the bank sleeps');
    expect(await receive({}, { jobId: 'j-1' }).effect(() => 'paid')).toEqual({ ran: true, value: 'paid' });
  });

  it('that happened and cannot be noted keeps its request waiting, and that is told', async () => {
    const store = scene.open();
    let full = true;
    const told: unknown[] = [];
    const { receive } = createCallbackReceiver<Refused>({
      store: {
        ...withMethodsOf(store),
        async complete(...args) {
          if (!full) return store.complete(...args);
          full = false;
          throw new EventsError('storage', 'the disk is full');
        },
      },
      consumer: 'assessment-service',
      fact,
      onTrouble: (error, key) => told.push([(error as EventsError).code, key]),
    });
    const outcome = receive({}, { jobId: 'j-1' }).effect(() => 'paid');
    expect(await within('there is room again', outcome)).toEqual({ ran: true, value: 'paid' });
    expect(told).toEqual([['storage', 'fact:assessment-service:analysis.failed:j-1']]);
  });

  it('asked for twice under one name is refused, in dry run as otherwise', async () => {
    for (const given of [headers, {}]) {
      const { effect } = receiver().receive(given, { jobId: 'j-1' });
      await effect(() => 1);
      await effect(() => 1, { name: 'mail' });
      await expect(effect(() => 1)).rejects.toMatchObject({
        code: 'usage',
        hint: expect.stringContaining('name'),
      });
    }
  });

  it.each([
    ['no function names it', undefined],
    ['the function gives nothing', () => undefined],
    ['the function gives an empty text', () => ''],
    [
      'the function fails on the body',
      () => {
        throw new TypeError('no jobId');
      },
    ],
  ])('without a fact is refused: %s', async (_why, name) => {
    const { receive } = createCallbackReceiver({
      store: scene.open(),
      consumer: 'assessment-service',
      ...(name && { fact: name }),
    });
    const told = receive({}, {});
    expect(told).toMatchObject({ dryRun: false, fact: undefined });
    await expect(told.effect(() => expect.fail('it ran'))).rejects.toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('createCallbackReceiver'),
    });
    // With a stamp nothing else has to name it.
    const stampedOne = receive(callbackHeadersOf(stampOf('off', 'analysis.failed:j-1')), {});
    expect(await stampedOne.effect(() => 'ran')).toEqual({ ran: true, value: 'ran' });
  });

  it('needs the name of a consumer', () => {
    expect(() => createCallbackReceiver({ store: scene.open(), consumer: '' })).toThrowError(
      expect.objectContaining({ code: 'usage' }),
    );
  });
});
