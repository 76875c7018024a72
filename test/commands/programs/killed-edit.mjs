// Does what `dlq edit` does once the body is edited, and kills itself at a step of the replay.
// Arguments: broker URL, ledger file, dead-letter queue, edited body, id of the copy, step.
import { editOf } from '../../../dist/commands/dlq-edit-copy.js';
import { openLedger } from '../../../dist/dead-letters/ledger.js';
import { messageHash } from '../../../dist/dead-letters/message-hash.js';
import { startReplay } from '../../../dist/dead-letters/replay.js';
import { createTransport } from '../../../dist/transports/index.js';

const [url, path, queue, body, messageId, fatal] = process.argv.slice(2);
const transport = await createTransport(url);
const [original] = await all(transport.browse(queue));
const edit = {
  original: messageHash(original),
  messageId,
  body: Buffer.from(body).toString('base64'),
};
await startReplay(
  transport,
  openLedger(path),
  {
    queue,
    target: { kind: 'queue' },
    limit: 1,
    select: (message) => messageHash(message) === edit.original,
    criteria: JSON.stringify({ edit }),
    edit: editOf(edit),
  },
  { onStep: (step) => step === fatal && process.kill(process.pid, 'SIGKILL') },
);

async function all(messages) {
  const found = [];
  for await (const message of messages) found.push(message);
  return found;
}
