// Consumes a queue and settles nothing; prints `holding BODY`. Arguments: broker file, queue.
import { open, print } from './open.mjs';

const [path, queue] = process.argv.slice(2);
await open(path).consume(queue, {}, ({ message }) => print('holding', message.body.toString()));
print('ready');
