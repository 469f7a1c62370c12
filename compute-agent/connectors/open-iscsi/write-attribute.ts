import { writeFile } from 'node:fs/promises';
import { recorded } from '#agent/recording.ts';

/** Has the kernel do something by a file of sysfs; the timeline tells of it like of a program. */
export function writeAttribute(path: string, text: string): Promise<void> {
  return recorded({ program: 'sysfs', command: () => `sysfs: ${path} < ${text}` }, () =>
    writeFile(path, text),
  );
}
