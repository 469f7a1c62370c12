import { invalidInput } from '#api/http/errors.ts';

const MIN_SIZE_KEY = 'provisioning:min_vol_size';
const MAX_SIZE_KEY = 'provisioning:max_vol_size';

/**
 * A type may say in its extra specs how small and how large its volumes may be, in GiB. As in Cinder that is looked at when a volume is made,
 * grows, or gets the type. What is no number limits nothing.
 * @throws ApiError 400 in Cinder's words
 */
export function checkSizeFor(name: string, specs: Readonly<Record<string, string>>, sizeGib: number): void {
  const [least, most] = [specs[MIN_SIZE_KEY], specs[MAX_SIZE_KEY]];
  if (least && sizeGib < Number(least))
    throw invalidInput(
      `Specified volume size of '${sizeGib}' is less than the minimum required size of '${least}' for volume type '${name}'.`,
    );
  if (most && sizeGib > Number(most))
    throw invalidInput(
      `Specified volume size of '${sizeGib}' is greater than the maximum allowable size of '${most}' for volume type '${name}'.`,
    );
}
