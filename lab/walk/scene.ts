import type { Client } from '#stack/demo/client.ts';
import type { Report } from '#stack/demo/report.ts';
import type { Made } from '#stack/demo/scene.ts';
import type { Limits } from '#stack/demo/steps/types.ts';
import type { Lab } from '../lab.ts';

/** What every step of the lab's walk works on. */
export interface LabScene {
  readonly lab: Lab;
  readonly client: Client;
  readonly report: Report;
  readonly made: Made;
  /** Folder of the test guest's kernel and images. */
  readonly guestCache: string;
}

/** Far below what a disk of an emulated machine inside an emulated machine can do, so that it is they that are measured. */
export const LIMITS: Limits = {
  read_iops_sec: 30,
  write_iops_sec: 40,
  read_bytes_sec: 4_000_000,
  write_bytes_sec: 5_000_000,
};

/** After the change. */
export const TIGHTER: Limits = { read_iops_sec: 15, write_iops_sec: 20 };
