/** Locks and shared memory across machines do not work; on a network disk a shared SQLite file would be damaged. */
import { statfsSync } from 'node:fs';
import { EventsError } from '../core/errors.js';

/** `f_type` of statfs(2) on Linux. */
const NETWORK_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  26985: 'NFS',
  20859: 'SMB',
  4266872130: 'SMB2',
  4283649346: 'CIFS',
  12805120: 'Ceph',
  1397113167: 'AFS',
  1799439955: 'AFS',
};

/** Throws `storage` when `folder` lies on a network file system. Only Linux tells; elsewhere it passes. */
export function assertLocalDisk(path: string, folder: string, hint: string): void {
  if (process.platform !== 'linux') return;
  const kind = NETWORK_FILE_SYSTEMS[fileSystemType(folder)];
  if (kind === undefined) return;
  throw new EventsError('storage', `${path} lies on a network file system (${kind})`, { hint });
}

function fileSystemType(folder: string): number {
  try {
    return statfsSync(folder).type;
  } catch {
    // It cannot be told (a system without statfs, say). What does not work then shows when the file is opened.
    return 0;
  }
}
