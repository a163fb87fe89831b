/**
 * SSH's binary format: numbers of four bytes, and strings with their length in front. Reading is strict.
 *
 * @see RFC 4251, section 5: https://www.rfc-editor.org/rfc/rfc4251#section-5
 */
import { concatBytes } from "./pkt_line.ts";

const utf8 = new TextEncoder();

/** The bytes are not what they should be. */
export class SshFormatError extends Error {
  override readonly name = "SshFormatError";
}

/** A number of four bytes. */
export function sshNumber(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** A string: its length, then itself. */
export function sshString(value: string | Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = typeof value === "string" ? utf8.encode(value) : value;
  return concatBytes([sshNumber(bytes.length), bytes]);
}

/** Takes values off the front of bytes; everything throws {SshFormatError} at the end. */
export class SshReader {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #at = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(length: number): Uint8Array<ArrayBuffer> {
    if (this.#at + length > this.#bytes.length) throw new SshFormatError("it ends too early");
    const taken = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return taken;
  }

  number(): number {
    const bytes = this.take(4);
    return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.take(this.number());
  }

  /** A string of printable text. */
  text(): string {
    return new TextDecoder().decode(this.bytes());
  }

  end(): void {
    if (!this.isAtEnd) throw new SshFormatError("something follows its end");
  }
}

/** The bytes between two lines of armour. @throws {SshFormatError} there are none */
export function unarmour(text: string, what: string): Uint8Array<ArrayBuffer> {
  const found = new RegExp(`-----BEGIN ${what}-----([A-Za-z0-9+/=\\s]*)-----END ${what}-----`).exec(text);
  if (found === null) throw new SshFormatError(`there is no ${what}`);
  try {
    return Uint8Array.fromBase64((found[1] ?? "").replace(/\s+/g, ""));
  } catch {
    throw new SshFormatError("it is no base64");
  }
}

/** Bytes between two lines of armour, in lines of 70 characters as ssh-keygen writes them. */
export function armour(bytes: Uint8Array, what: string): string {
  const lines = bytes.toBase64().match(/.{1,70}/g) ?? [];
  return `-----BEGIN ${what}-----\n${lines.join("\n")}\n-----END ${what}-----\n`;
}
