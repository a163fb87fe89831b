/**
 * Reading from a server: protocol v2, commands ls-refs and fetch. Every answer must end as the protocol says, or it counts
 * as cut off; an empty list of refs without that end is never taken for a deleted branch.
 *
 * @see https://git-scm.com/docs/protocol-v2
 */
import type { Oid } from "../../../src/ports/git.ts";
import { isOid } from "./objects.ts";
import {
  AnswerFault,
  concatBytes,
  DELIMITER,
  encodePacket,
  FLUSH,
  packetText,
  readPackets,
  refuseErrorPacket,
} from "./pkt_line.ts";
import type { GitTransport } from "./transport.ts";
import { Turns } from "./turns.ts";

/** How we call ourselves to servers that ask. */
export const AGENT = "agent=serin/1";

/** What a server can do; keys of the advertisement with their values. */
export interface ReadCapabilities {
  /** "sha1" unless the server says otherwise. */
  readonly objectFormat: string;
  /** The capabilities that we must repeat in a command, because the server advertised them. */
  readonly echoes: readonly string[];
  readonly canShallow: boolean;
  readonly canFilter: boolean;
}

/** What a server that is asked for protocol v2 answers: that, or its refs in the older protocol. */
export type Advertisement =
  | { readonly type: "v2"; readonly capabilities: ReadCapabilities }
  | { readonly type: "older" };

/** @throws {AnswerFault} when the advertisement is cut off or an error */
export function parseReadAdvertisement(bytes: Uint8Array<ArrayBuffer>): Advertisement {
  const lines: string[] = [];
  let ended = false;
  for (const packet of readPackets(bytes)) {
    if (packet.type === "data") {
      refuseErrorPacket(packet.bytes);
      const line = packetText(packet.bytes);
      if (!line.startsWith("# service=")) lines.push(line);
    }
    ended = packet.type === "flush";
  }
  if (!ended) throw new AnswerFault("broken", "the advertisement is empty or does not end");
  if (lines[0] !== "version 2") return { type: "older" };
  const capabilities = new Map(lines.slice(1).map((line) => splitOnce(line, "=")));
  if (!capabilities.has("ls-refs") || !capabilities.has("fetch")) {
    throw new AnswerFault("broken", "the server offers protocol v2 without ls-refs and fetch");
  }
  const features = (capabilities.get("fetch") ?? "").split(" ");
  const objectFormat = capabilities.get("object-format");
  return {
    type: "v2",
    capabilities: {
      objectFormat: objectFormat ?? "sha1",
      echoes: [
        ...(capabilities.has("agent") ? [AGENT] : []),
        ...(objectFormat === undefined ? [] : [`object-format=${objectFormat}`]),
      ],
      canShallow: features.includes("shallow"),
      canFilter: features.includes("filter"),
    },
  };
}

/** Where a reading command goes. */
export interface ReadTarget {
  readonly transport: GitTransport;
  readonly capabilities: ReadCapabilities;
}

/**
 * The refs whose full names begin with one of the prefixes, by full name.
 *
 * @throws {AnswerFault} when the answer is cut off or an error, or ids are not SHA-1
 */
export async function listRefs(
  target: ReadTarget,
  prefixes: readonly string[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, Oid>> {
  const args = prefixes.map((prefix) => `ref-prefix ${prefix}\n`);
  const answer = await target.transport.exchange("git-upload-pack", command(target, "ls-refs", args), signal);
  const refs = new Map<string, Oid>();
  let ended = false;
  const turns = new Turns();
  for (const packet of readPackets(answer)) {
    if (turns.isDue(0)) await turns.next();
    ended = packet.type === "flush";
    if (packet.type !== "data") continue;
    refuseErrorPacket(packet.bytes);
    const [oid = "", name = ""] = packetText(packet.bytes).split(" ");
    if (!isOid(oid) || name === "") throw new AnswerFault("broken", "the list of refs holds a line that is no ref");
    refs.set(name, oid);
  }
  if (!ended) throw new AnswerFault("broken", "the list of refs does not end");
  return refs;
}

export interface FetchRequest {
  readonly wants: readonly Oid[];
  /** Commits that we have, with everything they need. */
  readonly haves?: readonly Oid[];
  /** Those of our commits whose parents we do not have. */
  readonly shallow?: readonly Oid[];
  /** How many commits deep, 1 for the wants alone; left out where the server cannot. */
  readonly deepen?: number;
  /** "tree:0" for commits alone; left out where the server cannot. */
  readonly filter?: string;
}

export interface FetchAnswer {
  readonly pack: Uint8Array<ArrayBuffer>;
  /** Commits below which the server cut; none when the history is whole. */
  readonly shallow: readonly Oid[];
}

/** @throws {AnswerFault} when the answer is cut off, carries an error, or holds no pack */
export async function fetchPack(target: ReadTarget, request: FetchRequest, signal?: AbortSignal): Promise<FetchAnswer> {
  const { canFilter, canShallow } = target.capabilities;
  const args = [
    "thin-pack\n",
    "no-progress\n",
    "ofs-delta\n",
    ...request.wants.map((oid) => `want ${oid}\n`),
    ...(canShallow ? (request.shallow ?? []).map((oid) => `shallow ${oid}\n`) : []),
    ...(canShallow && request.deepen !== undefined ? [`deepen ${request.deepen}\n`] : []),
    ...(canFilter && request.filter !== undefined ? [`filter ${request.filter}\n`] : []),
    ...(request.haves ?? []).map((oid) => `have ${oid}\n`),
    "done\n",
  ];
  return await parseFetchAnswer(
    await target.transport.exchange("git-upload-pack", command(target, "fetch", args), signal),
  );
}

/** Takes a fetch answer apart; exported for tests of broken answers. */
export async function parseFetchAnswer(answer: Uint8Array<ArrayBuffer>): Promise<FetchAnswer> {
  const turns = new Turns();
  const chunks: Uint8Array[] = [];
  const shallow: Oid[] = [];
  let section = "";
  let lastSection = "";
  let ended = false;
  for (const packet of readPackets(answer)) {
    if (turns.isDue(0)) await turns.next();
    ended = packet.type === "flush";
    if (packet.type !== "data") {
      section = "";
      continue;
    }
    refuseErrorPacket(packet.bytes);
    if (section === "") lastSection = section = packetText(packet.bytes);
    else if (section === "packfile") readSideband(packet.bytes, chunks);
    else if (section === "shallow-info") {
      const [kind, oid = ""] = packetText(packet.bytes).split(" ");
      if (kind === "shallow") shallow.push(oid);
    }
  }
  if (!ended || lastSection !== "packfile") throw new AnswerFault("broken", "the answer to a fetch does not end");
  return { pack: concatBytes(chunks), shallow };
}

function readSideband(bytes: Uint8Array<ArrayBuffer>, chunks: Uint8Array[]): void {
  const band = bytes[0];
  if (band === 1) chunks.push(bytes.subarray(1));
  else if (band === 3) throw new AnswerFault("remote", packetText(bytes.subarray(1)).trim());
  else if (band !== 2) throw new AnswerFault("broken", `the answer uses the unknown sideband ${band}`);
}

function command(target: ReadTarget, name: string, args: readonly string[]): Uint8Array<ArrayBuffer> {
  const head = [`command=${name}`, ...target.capabilities.echoes];
  return concatBytes([
    ...head.map((line) => encodePacket(`${line}\n`)),
    DELIMITER,
    ...args.map((line) => encodePacket(line)),
    FLUSH,
  ]);
}

function splitOnce(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + separator.length)];
}
