import { connect } from 'node:net';
import type { Portal } from './portal.ts';

const ANSWER_MS = 3_000;

/** An iSCSI target there is at work: it says something to a login, be it that it refuses it; one whose process is stopped accepts connections, too. */
export function speaks({ host, port }: Portal, initiator: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: ANSWER_MS });
    const end = (answered: boolean) => (): void => {
      socket.destroy();
      resolve(answered);
    };
    let connected = false;
    socket.once('timeout', end(false));
    // Hanging up, by a reset too, is an answer: a login would fail as quickly.
    socket.once('error', () => end(connected)());
    socket.once('connect', () => {
      connected = true;
      socket.write(discoveryLogin(initiator));
    });
    socket.once('data', end(true)).once('end', end(true));
  });
}

const HEADER_BYTES = 48;
const LOGIN_IMMEDIATE = 0x43;
/** Transit, from security negotiation to operational negotiation. */
const STAGES = 0x81;
/** An ISID of the random kind. */
const RANDOM_ISID = 0x80;

/** A Login Request for a discovery session, which takes nothing from anybody. Source: RFC 7143, 11.12 and 13. */
function discoveryLogin(initiator: string): Buffer {
  const keys = [`InitiatorName=${initiator}`, 'SessionType=Discovery', 'AuthMethod=None'];
  const text = Buffer.from(keys.map((key) => `${key}\0`).join(''));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(LOGIN_IMMEDIATE, 0);
  header.writeUInt8(STAGES, 1);
  header.writeUIntBE(text.length, 5, 3);
  header.writeUInt8(RANDOM_ISID, 8);
  const padding = Buffer.alloc(-text.length & 3);
  return Buffer.concat([header, text, padding]);
}
