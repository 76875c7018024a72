import { expect, test } from 'vitest';
import { createOnce } from '../../../src/core/consuming/once.js';
import { resolveUnknown } from '../../../src/core/consuming/resolve-unknown.js';
import type { SetTimer } from '../../../src/core/consuming/timer.js';
import type { FileIdempotencyStore } from '../../../src/storage/idempotency-store.js';
import { eventually, gate, within } from '../../await.js';
import { useStores } from '../../storage/stores.js';

const scene = useStores();
const NEVER: SetTimer = () => () => undefined;

/** A claim of somebody else, whose process no longer renews it. */
async function claimOfAnother(store: FileIdempotencyStore, leaseMs: number): Promise<void> {
  expect(await store.claim('k', { token: 'another', leaseMs, note: 'worker 7' })).toEqual({
    state: 'claimed-now',
  });
}

test('an effect runs once, and later callers learn when it was done', async () => {
  const store = scene.open();
  const once = createOnce(store);
  expect(await once('k', () => 'value')).toEqual({ ran: true, value: 'value' });
  const doneAt = scene.time;
  scene.pass(5_000);
  const again = createOnce(scene.open());
  const never = () => expect.fail('it ran twice');
  expect(await again('k', never)).toEqual({ ran: false, doneAt });
  expect(await once('other', async () => 'too')).toEqual({ ran: true, value: 'too' });
});

test('the effect may run again when its key is no longer kept', async () => {
  const once = createOnce(scene.open(), { keepMs: 1_000 });
  await once('k', () => undefined);
  await once('long', () => undefined, { keepMs: 60_000 });
  scene.pass(1_000);
  expect(await once('k', () => 2)).toEqual({ ran: true, value: 2 });
  expect(await once('long', () => 2)).toMatchObject({ ran: false });
});

test('a week is how long it is kept when nothing is said', async () => {
  const once = createOnce(scene.open());
  await once('k', () => undefined);
  scene.pass(7 * 24 * 3_600_000 - 1);
  expect(await once('k', () => undefined)).toMatchObject({ ran: false });
  scene.pass(1);
  expect(await once('k', () => undefined)).toMatchObject({ ran: true });
});

test('of many callers at once one runs the effect, and the others wait until it is done', async () => {
  const calls = [createOnce(scene.open()), createOnce(scene.open())];
  const { opened, open } = gate();
  let effects = 0;
  const all = Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      calls[index % 2]?.('k', async () => {
        effects++;
        await opened;
      }),
    ),
  );
  await eventually('it runs', () => effects > 0);
  open();
  const results = await all;
  expect(effects).toBe(1);
  expect(results.filter((result) => result?.ran)).toHaveLength(1);
  expect(results.filter((result) => result?.ran === false)).toHaveLength(19);
});

test.each([
  ['throws', () => expect.fail('failed')],
  ['rejects', async () => expect.fail('failed')],
])('an effect that %s did not happen: its error comes through, and the key is free', async (_, effect) => {
  const store = scene.open();
  const once = createOnce(store);
  await expect(once('k', effect)).rejects.toThrow('failed');
  expect(await store.find('k')).toEqual({ state: 'free' });
  expect(await once('k', () => 1)).toEqual({ ran: true, value: 1 });
});

test('the claim names its claimant and is renewed while the effect runs', async () => {
  const store = scene.open({ now: Date.now });
  const once = createOnce(store, { leaseMs: 90, claimant: 'worker 1' });
  const { opened, open } = gate();
  const running = once('k', () => opened);
  await eventually('it was renewed many times', async () => {
    const state = await store.find('k');
    if (state.state === 'claimed') expect(state.note).toBe('worker 1');
    return state.state === 'claimed' && state.until > state.since + 300;
  });
  open();
  expect(await running).toMatchObject({ ran: true });
  expect(await store.find('k')).toMatchObject({ state: 'done', note: 'worker 1' });
});

test('a renewal that fails is made again at its next turn', async () => {
  const store = scene.open({ now: Date.now });
  let refused = 0;
  const flaky = {
    ...methodsOf(store),
    renew: (...args: Parameters<typeof store.renew>) =>
      refused++ < 2 ? Promise.reject(new Error('no room')) : store.renew(...args),
  };
  const { opened, open } = gate();
  const running = createOnce(flaky, { leaseMs: 60 })('k', () => opened);
  await eventually('it was renewed in the end', async () => {
    const state = await store.find('k');
    return refused > 2 && state.state === 'claimed' && state.until > state.since + 60;
  });
  open();
  expect(await running).toMatchObject({ ran: true });
});

test('a key that another has is waited for, then given up as busy', async () => {
  const store = scene.open();
  await claimOfAnother(store, 60_000);
  const once = createOnce(store);
  await expect(once('k', () => expect.fail('it ran'), { waitMs: 0 })).rejects.toMatchObject({
    code: 'busy',
    message: `"k" is being worked on since ${new Date(scene.time).toISOString()} (worker 7), and still was after 0 ms`,
    hint: expect.stringContaining('Try again'),
  });
  const start = performance.now();
  await expect(once('k', () => expect.fail('it ran'), { waitMs: 80 })).rejects.toMatchObject({
    code: 'busy',
  });
  expect(performance.now() - start).toBeGreaterThanOrEqual(79);
});

test('a key that another gives back while it is waited for is claimed', async () => {
  const store = scene.open();
  await claimOfAnother(store, 60_000);
  const running = createOnce(store)('k', () => 1, { waitMs: 20_000 });
  await store.release('k', 'another');
  expect(await within('it ran', running)).toEqual({ ran: true, value: 1 });
});

test('waiting ends with the signal, before and while it waits', async () => {
  const store = scene.open();
  await claimOfAnother(store, 60_000);
  const aborting = new AbortController();
  const once = createOnce(store, { signal: aborting.signal, waitMs: 60_000 });
  const waiting = once('k', () => expect.fail('it ran'));
  const looked = store.find('k'); // answered after the first look of `once`
  await looked;
  aborting.abort();
  await expect(within('it ends', waiting)).rejects.toMatchObject({ code: 'interrupted' });
  await expect(once('new', () => expect.fail('it ran'))).rejects.toMatchObject({ code: 'interrupted' });
  expect(await store.find('new')).toEqual({ state: 'free' });
});

test('a key whose holder died is reported as unknown, and run again when asked for', async () => {
  const store = scene.open();
  await claimOfAnother(store, 1_000);
  const since = new Date(scene.time).toISOString();
  scene.pass(1_000);
  const once = createOnce(store);
  await expect(once('k', () => expect.fail('it ran'))).rejects.toMatchObject({
    code: 'effect-unknown',
    message: `nobody can tell whether the effect of "k" happened: whoever began it at ${since} (worker 7) died before its end was noted`,
    hint: expect.stringContaining('resolveUnknown'),
  });
  expect(await store.find('k')).toMatchObject({ state: 'unknown' });
  expect(await once('k', () => 'again', { ifUnknown: 'run' })).toEqual({ ran: true, value: 'again' });
});

/** Another process believes this one dead: its claim is not renewed, and its lease passes while the effect runs. */
async function lostWhileRunning(
  meanwhile: (store: FileIdempotencyStore) => Promise<unknown>,
): Promise<unknown> {
  const store = scene.open();
  const once = createOnce(store, { setTimer: NEVER });
  return once('k', async () => {
    scene.pass(60_000);
    await store.claim('k', { token: 'another', leaseMs: 1_000, note: 'worker 7', evenUnknown: true });
    await meanwhile(store);
    return 'value';
  });
}

test('an effect that outlived its lease is on record all the same when nobody took its key', async () => {
  const store = scene.open();
  const once = createOnce(store, { setTimer: NEVER });
  expect(await once('k', () => scene.pass(60_000))).toMatchObject({ ran: true });
  expect(await store.find('k')).toMatchObject({ state: 'done' });
});

test('an effect whose key was taken over meanwhile is reported: it may have run twice', async () => {
  await expect(lostWhileRunning(async () => undefined)).rejects.toMatchObject({
    code: 'effect-unknown',
    message: expect.stringMatching(
      /"k" may have happened twice: it ran here .* another took it over at .* \(worker 7\)$/,
    ),
  });
});

test('so is one that another noted as done', async () => {
  await expect(lostWhileRunning((store) => store.complete('k', 'another', 1_000))).rejects.toMatchObject({
    code: 'effect-unknown',
    message: expect.stringMatching(
      /"k" may have happened twice: it ran here .* another noted it as done at /,
    ),
  });
});

test('but not one that the other gave back: it happened here only', async () => {
  const result = await lostWhileRunning((store) => store.release('k', 'another'));
  expect(result).toEqual({ ran: true, value: 'value' });
  expect(await scene.open().find('k')).toMatchObject({ state: 'done' });
});

test('a store that is closed under a running effect leaves it unknown, and says that it ran', async () => {
  const store = scene.open();
  const running = createOnce(store)('k', () => store.close());
  await expect(running).rejects.toMatchObject({
    code: 'effect-unknown',
    message: expect.stringContaining('the effect of "k" happened, but that could not be noted'),
    cause: expect.objectContaining({ code: 'closed' }),
  });
  scene.pass(60_000);
  expect(await scene.open().find('k')).toMatchObject({ state: 'unknown' });
});

test('a person who found out what happened makes an unknown key done or free', async () => {
  const store = scene.open();
  await claimOfAnother(store, 1_000);
  expect(await resolveUnknown(store, 'k', 'did-not-happen')).toMatchObject({ state: 'claimed' });
  scene.pass(1_000);
  expect(await resolveUnknown(store, 'k', 'did-not-happen')).toEqual({ state: 'free' });
  await claimOfAnother(store, 0);
  const done = { state: 'done', at: scene.time, note: 'looked it up' };
  expect(await resolveUnknown(store, 'k', 'happened', { note: 'looked it up' })).toEqual(done);
  scene.pass(10);
  expect(await resolveUnknown(store, 'k', 'did-not-happen')).toEqual(done);
});

/** The methods as plain properties: a spread takes none from a prototype. */
function methodsOf(store: FileIdempotencyStore): FileIdempotencyStore {
  return {
    path: store.path,
    open: () => store.open(),
    claim: (...args) => store.claim(...args),
    renew: (...args) => store.renew(...args),
    complete: (...args) => store.complete(...args),
    release: (...args) => store.release(...args),
    find: (...args) => store.find(...args),
    close: () => store.close(),
  };
}
