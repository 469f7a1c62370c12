/** What Tempest must know of a cloud (its tempest.conf). */
export interface Cloud {
  /** Keystone v3's address: Blockyard's own, or a real Keystone's. */
  readonly identityUrl: string;
  readonly region: string;
  readonly admin: { readonly user: string; readonly password: string; readonly project: string };
  /** A public image that boots; and the flavor that it boots with. */
  readonly image: string;
  readonly flavor: string;
  /** Names of two back ends. */
  readonly backends: readonly [string, string];
  readonly vendor: string;
}

/** Seconds between two looks: Tempest takes whole ones only, and 0 looks again at once. For 0 of one service it takes compute's. */
const BUILD_INTERVAL = 0;
const BUILD_TIMEOUT = 180;

/**
 * The text of tempest.conf. All that Blockyard claims is switched on, so that nothing is skipped for want of a word here.
 * @param folder for its locks and its log.
 */
export function configuration(cloud: Cloud, folder: string): string {
  const { admin } = cloud;
  const sections: Record<string, Record<string, string | number | boolean>> = {
    DEFAULT: { log_dir: folder, log_file: 'tempest.log', use_stderr: false },
    oslo_concurrency: { lock_path: `${folder}/locks` },
    auth: {
      use_dynamic_credentials: true,
      create_isolated_networks: false,
      default_credentials_domain_name: 'Default',
      admin_username: admin.user,
      admin_password: admin.password,
      admin_project_name: admin.project,
      admin_domain_name: 'Default',
    },
    identity: {
      auth_version: 'v3',
      uri_v3: cloud.identityUrl,
      region: cloud.region,
      v3_endpoint_type: 'publicURL',
    },
    'identity-feature-enabled': { api_v2: false, api_v2_admin: false, api_v3: true },
    service_available: { cinder: true, glance: true, nova: true, neutron: false, swift: false },
    compute: {
      image_ref: cloud.image,
      image_ref_alt: cloud.image,
      flavor_ref: cloud.flavor,
      flavor_ref_alt: cloud.flavor,
      volume_device_name: 'vdb',
      fixed_network_name: '',
      build_interval: BUILD_INTERVAL,
      build_timeout: BUILD_TIMEOUT,
    },
    // Nobody can log in to a server here, so none gets a password.
    'compute-feature-enabled': { enable_instance_password: false },
    image: { container_formats: 'bare', disk_formats: 'raw,qcow2' },
    'image-feature-enabled': { api_v2: true },
    // Servers have no network here, so nobody can log in to one.
    validation: { run_validation: false },
    volume: {
      catalog_type: 'volumev3',
      min_microversion: '3.0',
      max_microversion: 'latest',
      backend_names: cloud.backends.join(','),
      storage_protocol: 'iSCSI',
      vendor_name: cloud.vendor,
      manage_volume_ref: 'source-name,unmanaged-%s',
      build_interval: BUILD_INTERVAL,
      build_timeout: BUILD_TIMEOUT,
    },
    'volume-feature-enabled': {
      backup: true,
      clone: true,
      snapshot: true,
      multi_backend: true,
      manage_volume: true,
      manage_snapshot: true,
      extend_attached_volume: true,
      extend_attached_encrypted_volume: true,
    },
  };
  return Object.entries(sections)
    .map(([name, options]) => {
      const lines = Object.entries(options).map(([option, value]) => `${option} = ${value}\n`);
      return `[${name}]\n${lines.join('')}`;
    })
    .join('\n');
}
