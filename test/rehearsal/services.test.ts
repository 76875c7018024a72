import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createChildren } from '../../src/rehearsal/children.js';
import { createService } from '../../src/rehearsal/services.js';
import { eventually } from '../await.js';
import { temporaryFolder } from '../commands/cli.js';

const READY = `console.log(JSON.stringify({ event: 'ready', port: 4711 }));`;

/** The worker, which does what `program` says instead. */
function worker(program: string) {
  const folder = temporaryFolder();
  const examples = join(folder, 'examples');
  mkdirSync(join(examples, 'analysis-worker'), { recursive: true });
  writeFileSync(join(examples, 'analysis-worker', 'main.mjs'), program);
  const children = createChildren();
  onTestFinished(() => children.killAll());
  const { PATH } = process.env;
  return createService('analysis-worker', { children, examples, folder, environment: { PATH } });
}

describe('a service of a rehearsal', () => {
  it('is there once it says so, at the port that it says', async () => {
    const service = worker(`${READY} setInterval(() => {}, 1000);`);
    expect(service.url()).toBeUndefined();
    await service.start();
    expect(service.url()).toBe('http://127.0.0.1:4711');
    await service.kill();
    expect([service.url(), service.unasked]).toEqual([undefined, []]);
    await service.start();
    expect(service.url()).toBe('http://127.0.0.1:4711');
  });

  it('that ends before it is ready says why', async () => {
    const service = worker(
      `console.log(JSON.stringify({ event: 'cannot-start', message: 'no key' })); process.exit(1);`,
    );
    await expect(service.start()).rejects.toMatchObject({
      code: 'closed',
      message: 'analysis-worker ended before it was ready (exit 1): no key',
    });
  });

  it('that ends without having been asked to is told of', async () => {
    const service = worker(`${READY} setTimeout(() => { throw new Error('a defect'); }, 50);`);
    await service.start();
    await eventually('its end was noticed', () => service.unasked.length > 0);
    expect(service.unasked[0]).toBe('analysis-worker ended by itself (exit 1): Error: a defect');
    expect(service.url()).toBeUndefined();
  });

  it('ends at SIGTERM, also when it is stopped, and says how', async () => {
    const service = worker(
      `process.once('SIGTERM', () => process.exit(3)); ${READY} setInterval(() => {}, 1000);`,
    );
    await service.start();
    service.pause();
    expect(await service.end(10_000)).toEqual({ code: 3, signal: null });
    expect(service.unasked).toEqual([]);
  });

  it('that does not end in time is told apart', async () => {
    const service = worker(`process.on('SIGTERM', () => {}); ${READY} setInterval(() => {}, 1000);`);
    await service.start();
    expect(await service.end(50)).toBeUndefined();
  });
});
