// Opens an outbox, appends one message, prints `appended`, and keeps the file until it is killed; or prints the code and
// message of what kept it from opening. Arguments: path.
import { openOutboxStore } from '../../../dist/storage/outbox-store.js';

const [path] = process.argv.slice(2);
try {
  const store = openOutboxStore(path);
  await store.append({ exchange: 'x', routingKey: 'k', body: Buffer.from('left behind'), properties: {} });
  console.log('appended');
  setInterval(() => {}, 60_000);
} catch ({ code, message }) {
  console.log(code, message);
}
