/** Seconds that copying a volume's or an image's data may take: a TiB at 50 MB/s. */
export const FILL_WITHIN_S = 6 * 3_600;
