/** Replays on RabbitMQ whose line is cut, or whose broker dies. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Transport } from '../../src/core/transport.js';
import { resumeReplay, startReplay } from '../../src/dead-letters/replay.js';
import { REPLAY_STEPS } from '../../src/dead-letters/replay-steps.js';
import { createTransport } from '../../src/transports/index.js';
import { type RabbitBroker, startRabbit } from '../brokers/rabbitmq.js';
import { rabbitInstalled } from '../brokers/shared.js';
import { startTcpProxy, type TcpProxy } from '../brokers/tcp-proxy.js';
import { expectAllBroughtBack, fillRound } from './replay-crash.js';
import { openStage, type Stage, type StageOptions } from './replay-stage.js';

const COUNT = 2_500;
/** A broker starts in six seconds; on a busy machine in many more. */
const PATIENCE_MS = 90_000;
const QUORUM: StageOptions = { arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 20 } };

describe.skipIf(!rabbitInstalled)('a replay on RabbitMQ', () => {
  let broker: RabbitBroker;
  let proxy: TcpProxy;
  const releases: (() => unknown)[] = [];

  beforeAll(async () => {
    broker = await startRabbit();
    proxy = await startTcpProxy(broker.port);
  });
  afterEach(async () => {
    for (const release of releases.splice(0).toReversed()) await release();
  });
  afterAll(async () => {
    await proxy?.close();
    await broker?.stop();
  });

  async function stageOf(options?: StageOptions): Promise<{ stage: Stage; ids: string[] }> {
    const stage = await openStage('amqp', broker.url, releases, options);
    return { stage, ids: await fillRound(stage, COUNT) };
  }

  async function viaProxy(reconnectTimeoutMs: number): Promise<Transport> {
    const url = `amqp://guest:guest@127.0.0.1:${proxy.port}?heartbeat=5`;
    const transport = await createTransport(url, { reconnectTimeoutMs });
    releases.push(() => transport.close());
    return transport;
  }

  const start = (transport: Transport, { ledger, names }: Stage, onStep: (step: string) => void) =>
    startReplay(transport, ledger, { queue: names.dlq, target: { kind: 'queue' } }, { onStep });

  /** Does something when a step comes for the second time. */
  function atSecond(step: string, act: () => void): (step: string) => void {
    let times = 0;
    return (now) => {
      if (now === step && ++times === 2) act();
    };
  }

  for (const [queues, options] of [
    ['classic', {}],
    ['quorum', QUORUM],
  ] as const) {
    for (const step of REPLAY_STEPS) {
      it(
        `whose line is cut at "${step}" goes on, and sends twice only what it counts: ${queues}`,
        async () => {
          const { stage, ids } = await stageOf(options);
          const transport = await viaProxy(PATIENCE_MS);
          let cut = false;
          const report = await start(
            transport,
            stage,
            atSecond(step, () => {
              cut = true;
              proxy.cut();
            }),
          );
          expect(cut).toBe(true);
          await expectAllBroughtBack(stage, ids, report);
          expect(report.replayed).toBe(COUNT);
        },
        PATIENCE_MS,
      );
    }

    it(
      `whose broker is killed and comes back goes on: ${queues}`,
      async () => {
        const { stage, ids } = await stageOf(options);
        // Killed less than a second after it declared a quorum queue, RabbitMQ forgets it: docs/rabbitmq.md.
        await broker.ctl('eval', 'dets:sync(ra_directory_reverse).');
        const transport = await viaProxy(PATIENCE_MS);
        let restarted: Promise<void> | undefined;
        const report = await start(
          transport,
          stage,
          atSecond('acked', () => {
            restarted = broker.restart();
          }),
        );
        await restarted;
        await expectAllBroughtBack(stage, ids, report);
      },
      2 * PATIENCE_MS,
    );
  }

  it(
    'whose broker stays away stops, and is resumed when it is back',
    async () => {
      const { stage, ids } = await stageOf();
      const transport = await viaProxy(1_000);
      const report = await start(
        transport,
        stage,
        atSecond('confirmed', () => {
          proxy.refuse();
          proxy.cut();
        }),
      );
      proxy.accept();
      expect(report).toMatchObject({ stopped: 'broker', error: { code: 'unreachable' } });
      await expect(resumeReplay(stage.transport, stage.ledger, report.id)).rejects.toMatchObject({
        code: 'usage',
        message: expect.stringContaining('another broker'),
      });
      const again = await viaProxy(PATIENCE_MS);
      expect(stage.ledger.unfinished(await again.identity(), stage.names.dlq)?.id).toBe(report.id);
      const resumed = await resumeReplay(again, stage.ledger, report.id);
      expect(resumed.replayed).toBe(COUNT);
      await expectAllBroughtBack(stage, ids, resumed);
    },
    PATIENCE_MS,
  );
});
