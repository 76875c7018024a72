// Dies after its effect and before the note of it. Arguments: store, file of effects, key.
import { note, openOnce } from './once-store.mjs';

const [path, effects, key] = process.argv.slice(2);
const { once } = openOnce(path);
await once(key, () => {
  note(effects, key);
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => {});
});
