import { it } from 'vitest';
import { startReplay } from '../../src/dead-letters/replay.js';
import { createTransport } from '../../src/transports/index.js';
import { openDatabase } from '../../src/storage/sqlite.js';
import { startRabbit } from '../brokers/rabbitmq.js';
import { startTcpProxy } from '../brokers/tcp-proxy.js';
import { fillRound } from './replay-crash.js';
import { openStage } from './replay-stage.js';
it('x', async () => {
  const broker = await startRabbit(); const proxy = await startTcpProxy(broker.port);
  const releases: (() => unknown)[] = [];
  const stage = await openStage('amqp', broker.url, releases, { arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 20 } });
  const ids = await fillRound(stage, 2500);
  const t0 = Date.now(); const log = (...a: unknown[]) => console.log(Date.now() - t0, ...a);
  const t = await createTransport(`amqp://guest:guest@127.0.0.1:${proxy.port}?heartbeat=5`, { reconnectTimeoutMs: 90000, onNotice: (n) => log(JSON.stringify(n)) });
  let n = 0; let r: Promise<void> | undefined;
  const report = await startReplay(t, stage.ledger, { queue: stage.names.dlq, target: { kind: 'queue' }, onProgress: (p) => log(JSON.stringify(p)) }, { onStep: (s) => { log(s); if (s === 'acked' && ++n === 2) r = broker.restart().then(() => log('restarted')); } });
  log(JSON.stringify(report)); await r;
  log(await broker.ctl('list_queues','name','messages_ready','messages_unacknowledged','consumers'));
  for (let i = 0; i < 3; i++) { log('counts', await stage.ready(stage.names.work), await stage.ready(stage.names.dlq)); await new Promise((x) => setTimeout(x, 1000)); }
  const got = (await stage.contents(stage.names.work)).map((m) => JSON.parse(m.body.toString()).id as string);
  const missing = ids.filter((x) => !got.includes(x));
  log('got', got.length, 'distinct', new Set(got).size, 'missing', missing.length, missing.slice(0, 5), missing.slice(-5));
  const db = openDatabase(stage.ledger.path, { readonly: true });
  log(db.prepare("select state, doubt, count(*), min(seq), max(seq) from message group by 1,2").all());
  log(db.prepare(`select state, doubt, reason, count(*), min(seq), max(seq) from message where id in (${missing.map((m) => `'${m}'`).join(',') || "''"}) group by 1,2,3`).all());
  log(await broker.ctl('list_queues','name','messages_ready','messages_unacknowledged','consumers'));
 await t.close(); await new Promise((x) => setTimeout(x, 3000)); log('closed', await broker.ctl('list_queues','name','messages_ready','messages_unacknowledged','consumers')); for (const x of releases.reverse()) await x(); await t.close(); await proxy.close(); await broker.stop();
}, 200000);
