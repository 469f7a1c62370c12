/** Gives a piece's memory back at once: the collector would look through the whole heap for every ten megabytes that come. */
export function giveBack({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
