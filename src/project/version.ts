import { readFileSync } from 'node:fs';

/** Version of this package. The path holds from dist/project and from dist/bundle alike. */
export function version(): string {
  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  return manifest.version;
}
