/**
 * A commit's signature and what it covers, byte for byte: the commit as it is without its signature's header. Text is
 * never decoded on the way, since that would change what was signed.
 *
 * @see https://git-scm.com/docs/gitformat-signature
 */
import { Buffer } from "node:buffer";
import { concatBytes } from "./pkt_line.ts";

const HEADER = "gpgsig ";
/** Of a repository that has SHA-256 ids as well; not covered either. */
const OTHER_HEADER = "gpgsig-sha256 ";

export interface SignedParts {
  readonly payload: Uint8Array<ArrayBuffer>;
  /** Armoured text; undefined where there is none. */
  readonly signature: string | undefined;
}

/** Takes a commit's content apart. Of several signatures the first counts, and none is covered. */
export function splitSignature(commit: Uint8Array<ArrayBuffer>): SignedParts {
  const buffer = Buffer.from(commit.buffer, commit.byteOffset, commit.byteLength);
  const kept: Uint8Array[] = [];
  const found: string[][] = [];
  let into: string[] | undefined;
  let isSkipped = false;
  let at = 0;
  while (at < buffer.length && buffer[at] !== 0x0a) {
    const newline = buffer.indexOf(0x0a, at);
    const end = newline < 0 ? buffer.length : newline + 1;
    const line = buffer.toString("latin1", at, end);
    if (line.startsWith(" ")) into?.push(line.slice(1));
    else {
      isSkipped = line.startsWith(HEADER) || line.startsWith(OTHER_HEADER);
      into = line.startsWith(HEADER) ? [line.slice(HEADER.length)] : undefined;
      if (into !== undefined) found.push(into);
    }
    if (!isSkipped) kept.push(buffer.subarray(at, end));
    at = end;
  }
  return { payload: concatBytes([...kept, buffer.subarray(at)]), signature: found[0]?.join("") };
}

/**
 * Puts a signature into a commit that has none.
 *
 * @param signature armoured text
 */
export function withSignature(commit: Uint8Array<ArrayBuffer>, signature: string): Uint8Array<ArrayBuffer> {
  // The headers end at the first empty line; its newline stays behind.
  const end = Buffer.from(commit.buffer, commit.byteOffset, commit.byteLength).indexOf("\n\n") + 1;
  const lines = signature.trimEnd().split("\n");
  const header = new TextEncoder().encode(`${HEADER}${lines.join("\n ")}\n`);
  return concatBytes([commit.subarray(0, end), header, commit.subarray(end)]);
}
