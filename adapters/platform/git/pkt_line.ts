/**
 * Git's framing: packets with a four-digit hexadecimal length. Reading is strict, because an answer that ends early must
 * never pass for a short one. Says nothing about what the packets mean.
 *
 * @see https://git-scm.com/docs/protocol-common
 */

/** What is wrong with an answer. "incomplete" means that objects are missing, which a fetch from nothing can heal. */
export type FaultKind = "broken" | "incomplete" | "remote" | "too-large";

/**
 * An answer that arrived but cannot be used. Never leaves this adapter: `git.ts` turns it into an error that names the
 * remote. "remote" carries the server's own words (an ERR packet, a fatal sideband message).
 */
export class AnswerFault extends Error {
  readonly kind: FaultKind;

  constructor(kind: FaultKind, message: string) {
    super(message);
    this.name = "AnswerFault";
    this.kind = kind;
  }
}

/** One packet: bytes, or one of the three marks that have no payload. */
export type Packet =
  | { readonly type: "data"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: "flush" }
  | { readonly type: "delimiter" }
  | { readonly type: "end" };

/** The largest payload that the format allows, bytes. */
export const PACKET_BYTES_MAX = 65_516;

const utf8 = new TextEncoder();
/** Text that a server wrote; what is not UTF-8 becomes U+FFFD, since it is only compared or shown. */
const lossy = new TextDecoder();

/** Ends a request or a list. */
export const FLUSH: Uint8Array<ArrayBuffer> = utf8.encode("0000");
/** Parts a protocol v2 command from its arguments. */
export const DELIMITER: Uint8Array<ArrayBuffer> = utf8.encode("0001");

/** Joins byte strings into one. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Wraps text (or bytes) of at most 65516 bytes into a packet. */
export function encodePacket(payload: string | Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = typeof payload === "string" ? utf8.encode(payload) : payload;
  const length = (bytes.length + 4).toString(16).padStart(4, "0");
  return concatBytes([utf8.encode(length), bytes]);
}

/**
 * Reads packets to the end of the bytes.
 *
 * @throws {AnswerFault} "broken" when the bytes end inside a packet or a length is no number
 */
export function* readPackets(bytes: Uint8Array<ArrayBuffer>): Generator<Packet> {
  let at = 0;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) throw new AnswerFault("broken", "the answer ends inside a packet's length");
    const length = readLength(bytes, at);
    if (length < 0) {
      const digits = lossy.decode(bytes.subarray(at, at + 4));
      throw new AnswerFault("broken", `a packet's length is no number: ${JSON.stringify(digits)}`);
    }
    if (length < 4) {
      if (length === 3) throw new AnswerFault("broken", "a packet has the reserved length 3");
      at += 4;
      yield length === 0 ? { type: "flush" } : length === 1 ? { type: "delimiter" } : { type: "end" };
      continue;
    }
    if (at + length > bytes.length) throw new AnswerFault("broken", "the answer ends inside a packet");
    yield { type: "data", bytes: bytes.subarray(at + 4, at + length) };
    at += length;
  }
}

/** Four hexadecimal digits as a number; -1 where they are none. */
function readLength(bytes: Uint8Array, from: number): number {
  let length = 0;
  for (let at = from; at < from + 4; at++) {
    const byte = bytes[at] ?? 0;
    const letter = byte | 0x20;
    if (byte >= 0x30 && byte <= 0x39) length = length * 16 + byte - 0x30;
    else if (letter >= 0x61 && letter <= 0x66) length = length * 16 + letter - 0x61 + 10;
    else return -1;
  }
  return length;
}

/** A packet's text without the newline that servers may put at its end. */
export function packetText(bytes: Uint8Array): string {
  const text = lossy.decode(bytes);
  return text.endsWith("\n") ? text.slice(0, -1) : text;
}

/** Throws the server's own words when a packet is an ERR packet. */
export function refuseErrorPacket(bytes: Uint8Array): void {
  const isError = bytes[0] === 0x45 && bytes[1] === 0x52 && bytes[2] === 0x52 && bytes[3] === 0x20;
  if (isError) throw new AnswerFault("remote", packetText(bytes).slice(4).trim());
}
