/** Two of these, four bytes a character, fit into a TEXT column: an error too long to be written would never end. */
const LONGEST = 8_000;

/** A message as `error` columns take it. With a thousand pools the reasons against each can be longer. */
export function inColumn(message: string): string {
  return message.length <= LONGEST ? message : `${message.slice(0, LONGEST - 2).toWellFormed()} …`;
}
