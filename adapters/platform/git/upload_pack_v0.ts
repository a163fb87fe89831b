/**
 * Reading from a server without protocol v2, in one round: all refs come with the advertisement, and a request holds
 * wants, haves and "done" at once. As strict as the newer protocol's reader: what does not end as it must was cut off.
 *
 * @see https://git-scm.com/docs/pack-protocol
 */
import { RejectedError } from "../../../src/errors.ts";
import type { Oid } from "../../../src/ports/git.ts";
import { isOid } from "./objects.ts";
import {
  AnswerFault,
  concatBytes,
  encodePacket,
  FLUSH,
  packetText,
  readPackets,
  refuseErrorPacket,
} from "./pkt_line.ts";
import type { GitTransport } from "./transport.ts";
import { Turns } from "./turns.ts";
import { AGENT, type FetchAnswer, type FetchRequest } from "./upload_pack.ts";

/** What such a server says of itself, and where its refs are now. */
export interface OldAdvertisement {
  readonly capabilities: ReadonlySet<string>;
  /** "sha1" unless the server says otherwise. */
  readonly objectFormat: string;
  /** By full name; without what tags point to. */
  readonly refs: ReadonlyMap<string, Oid>;
}

/** Stands for "no refs" in an empty repository. */
const NO_REFS = "capabilities^{}";

/** @throws {AnswerFault} when the advertisement is cut off, empty or an error, or holds a line that is no ref */
export function parseOldAdvertisement(bytes: Uint8Array<ArrayBuffer>): OldAdvertisement {
  const lines: string[] = [];
  let ends = 0;
  let wantedEnds = 1;
  let ended = false;
  for (const packet of readPackets(bytes)) {
    ended = packet.type === "flush";
    if (ended) ends++;
    if (packet.type !== "data") continue;
    refuseErrorPacket(packet.bytes);
    const line = packetText(packet.bytes);
    // HTTP's heading has an end of its own.
    if (line.startsWith("# service=")) wantedEnds = 2;
    else if (line !== "version 1") lines.push(line);
  }
  if (!ended || ends < wantedEnds) throw new AnswerFault("broken", "the advertisement is empty or does not end");
  // Servers before 2.41 say nothing at all of a repository without refs.
  if (lines.length === 0) return { capabilities: new Set(), objectFormat: "sha1", refs: new Map() };
  const [first = "", ...rest] = lines;
  const [head = "", tail = ""] = first.split("\0");
  const capabilities = new Set(tail.split(" ").filter((name) => name !== ""));
  const format = [...capabilities].find((name) => name.startsWith("object-format="));
  const objectFormat = format?.slice("object-format=".length) ?? "sha1";
  // Ids of another length are for the caller to refuse, with the name of the format.
  const refs = objectFormat === "sha1" ? readRefs([head, ...rest]) : new Map<string, Oid>();
  return { capabilities, objectFormat, refs };
}

function readRefs(lines: readonly string[]): ReadonlyMap<string, Oid> {
  const refs = new Map<string, Oid>();
  for (const line of lines) {
    if (line.startsWith("shallow ")) continue;
    const [oid = "", name = ""] = line.split(" ");
    if (!isOid(oid) || name === "") throw new AnswerFault("broken", "the list of refs holds a line that is no ref");
    if (name !== NO_REFS && !name.endsWith("^{}")) refs.set(name, oid);
  }
  return refs;
}

/**
 * Fetches a pack.
 *
 * @throws {RejectedError} the server cannot send what is needed: a part of the history, or errors beside a pack
 * @throws {AnswerFault} when the answer is cut off, carries an error, or holds no pack
 */
export async function fetchOldPack(
  server: { readonly transport: GitTransport; readonly capabilities: ReadonlySet<string>; readonly shown: string },
  request: FetchRequest,
  signal?: AbortSignal,
): Promise<FetchAnswer> {
  const body = oldRequest(server, request);
  return await parseOldAnswer(await server.transport.exchange("git-upload-pack", body, signal));
}

function oldRequest(
  { capabilities, shown }: { readonly capabilities: ReadonlySet<string>; readonly shown: string },
  request: FetchRequest,
): Uint8Array<ArrayBuffer> {
  const sideband = ["side-band-64k", "side-band"].find((name) => capabilities.has(name));
  if (sideband === undefined) throw tooOld(shown, "side-band");
  if (request.deepen !== undefined && !capabilities.has("shallow")) throw tooOld(shown, "shallow");
  const canFilter = capabilities.has("filter") && request.filter !== undefined;
  const asked = ["thin-pack", "ofs-delta", "no-progress", ...(canFilter ? ["filter"] : [])]
    .filter((name) => capabilities.has(name));
  if ([...capabilities].some((name) => name.startsWith("agent="))) asked.push(AGENT);
  const wants = request.wants.map((oid, index) =>
    encodePacket(index === 0 ? `want ${oid} ${[sideband, ...asked].join(" ")}\n` : `want ${oid}\n`)
  );
  const canShallow = capabilities.has("shallow");
  return concatBytes([
    ...wants,
    ...(canShallow ? (request.shallow ?? []).map((oid) => encodePacket(`shallow ${oid}\n`)) : []),
    ...(request.deepen === undefined ? [] : [encodePacket(`deepen ${request.deepen}\n`)]),
    ...(canFilter ? [encodePacket(`filter ${request.filter}\n`)] : []),
    FLUSH,
    ...(request.haves ?? []).map((oid) => encodePacket(`have ${oid}\n`)),
    encodePacket("done\n"),
  ]);
}

/** Takes an answer apart; exported for tests of broken answers. */
export async function parseOldAnswer(answer: Uint8Array<ArrayBuffer>): Promise<FetchAnswer> {
  const turns = new Turns();
  const chunks: Uint8Array[] = [];
  const shallow: Oid[] = [];
  let isPack = false;
  let ended = false;
  for (const packet of readPackets(answer)) {
    if (turns.isDue(0)) await turns.next();
    ended = packet.type === "flush";
    if (packet.type !== "data") continue;
    refuseErrorPacket(packet.bytes);
    const band = packet.bytes[0] ?? 0;
    if (band === 1) chunks.push(packet.bytes.subarray(1));
    else if (band === 3) throw new AnswerFault("remote", packetText(packet.bytes.subarray(1)).trim());
    isPack ||= band === 1;
    if (band <= 3) continue;
    const [word = "", oid = ""] = packetText(packet.bytes).split(" ");
    if (isPack || !["shallow", "unshallow", "ACK", "NAK"].includes(word)) {
      throw new AnswerFault("broken", "the answer to a fetch holds a line that does not belong there");
    }
    if (word === "shallow") shallow.push(oid);
  }
  if (!ended || !isPack) throw new AnswerFault("broken", "the answer to a fetch does not end");
  return { pack: concatBytes(chunks), shallow };
}

function tooOld(shown: string, what: string): RejectedError {
  return new RejectedError(`Cannot read Git remote "${shown}": the server speaks neither protocol v2 nor "${what}"`, {
    fix: "Use a Git server of 2007 or later, or let the header Git-Protocol through the proxy in front of it.",
    data: { reason: "too-old", missing: what },
  });
}
