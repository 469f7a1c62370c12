/** Where the kernel, udev and open-iscsi keep their files; tests put recorded trees there. */
export interface Places {
  readonly sys: string;
  readonly dev: string;
  /** open-iscsi's node records. */
  readonly nodes: string;
}

export const PLACES: Places = { sys: '/sys', dev: '/dev', nodes: '/etc/iscsi/nodes' };
