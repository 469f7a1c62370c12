import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** Where this host keeps backups, and what opens them. */
export interface BackupConfig {
  /** A folder (also of NFS), or what restic calls the place: `s3:https://host/bucket/path`. */
  readonly place: string;
  readonly password: string;
  /** PEM file of the authority of an S3 server; default: those that the system trusts. */
  readonly ca?: string | undefined;
}

/** The environment variables about backups; S3's account is in restic's own (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`). */
export const BACKUP_SETTINGS = {
  BLOCKYARD_BACKUP_REPOSITORY: z
    .string()
    .regex(/^(?:\/|s3:https?:\/\/)[^\s]*$/, {
      error: 'must be an absolute path, or s3:https://host/bucket/path',
    })
    .transform((text) => text.replace(/\/+$/, ''))
    .optional(),
  BLOCKYARD_BACKUP_PASSWORD: z.string().min(16, { error: 'must have at least 16 characters' }).optional(),
  BLOCKYARD_BACKUP_PASSWORD_FILE: z
    .string()
    .startsWith('/', { error: 'must be an absolute path' })
    .optional(),
  BLOCKYARD_BACKUP_CA: z.string().startsWith('/', { error: 'must be an absolute path' }).optional(),
} as const;

type Settings = z.output<z.ZodObject<typeof BACKUP_SETTINGS>>;

/** @throws Error that names the variable that is missing. */
export function backupConfigOf(env: Settings): BackupConfig | null {
  const place = env.BLOCKYARD_BACKUP_REPOSITORY;
  if (place === undefined) return null;
  const file = env.BLOCKYARD_BACKUP_PASSWORD_FILE;
  const password = env.BLOCKYARD_BACKUP_PASSWORD ?? (file === undefined ? undefined : readSecret(file));
  if (password === undefined)
    throw new Error('BLOCKYARD_BACKUP_PASSWORD or BLOCKYARD_BACKUP_PASSWORD_FILE is not set');
  return { place, password, ca: env.BLOCKYARD_BACKUP_CA };
}

function readSecret(path: string): string {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch (error) {
    throw new Error(
      `BLOCKYARD_BACKUP_PASSWORD_FILE: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}
