import { atma } from './atma.js';
import type { Preset } from './preset.js';

/** Every preset, by the name that `--preset` takes. A new preset is one file plus one line here. */
export const PRESETS: { readonly [name: string]: Preset } = { atma };
