import { createJiti } from '/work/main/node_modules/jiti/lib/jiti.mjs';
import { connect } from 'amqplib';
const { startRabbit } = await createJiti(import.meta.url).import('/work/main/test/brokers/rabbitmq.ts');
const b = await startRabbit();
for (const acks of [0, 1000, 1532]) for (const q of ['q'+acks]) {
  let c = await connect(b.url); c.on('error',()=>{}); let ch = await c.createConfirmChannel(); ch.on('error',()=>{});
  await ch.assertQueue(q, {durable:true, arguments:{'x-queue-type':'quorum','x-delivery-limit':20}});
  for (let i=0;i<2500;i++) ch.sendToQueue(q, Buffer.from(`{"id":"${i}"}`), {persistent:true});
  await ch.waitForConfirms();
  let got=0, last; const c2=await connect(b.url); c2.on('error',()=>{}); const ch2=await c2.createChannel(); ch2.on('error',()=>{}); await ch2.prefetch(2032);
  await new Promise(r=>ch2.consume(q, m=>{got++; last=m; if(got===acks&&acks) ch2.ack(m,true); if(got===2032) r();}));
  if (process.argv[2]) { await ch2.prefetch(2032); await new Promise(r=>setTimeout(r,Number(process.argv[2]))); }
  await b.restart();
  await new Promise(r=>setTimeout(r,2000));
  console.log(q, (await b.ctl('list_queues','name','messages_ready','messages_unacknowledged')).split('\n').filter(l=>l.startsWith(q)).join());
}
await b.stop(); process.exit();
