/**
 * Writing to a server: receive-pack with the old id of every ref, which makes each update a compare-and-swap. Several refs
 * go atomically where the server can. What the report says is passed on as it is; nobody may tell cases apart by its text.
 *
 * @see https://git-scm.com/docs/pack-protocol, "Pushing Data To a Server"
 */
import type { Oid } from "../../../src/ports/git.ts";
import {
  AnswerFault,
  concatBytes,
  encodePacket,
  FLUSH,
  type Packet,
  packetText,
  readPackets,
  refuseErrorPacket,
} from "./pkt_line.ts";
import type { GitTransport } from "./transport.ts";
import { AGENT } from "./upload_pack.ts";

/** Stands for "does not exist" in an update. */
export const NO_OID: Oid = "0".repeat(40);

/** Bound on what is kept of the messages of hooks, characters. */
const MESSAGES_CHARS_MAX = 2000;

export interface WriteCapabilities {
  readonly names: ReadonlySet<string>;
  /** "sha1" unless the server says otherwise. */
  readonly objectFormat: string;
}

export interface RefUpdate {
  readonly ref: string;
  /** What the ref must be now; `NO_OID` to create it. */
  readonly from: Oid;
  readonly to: Oid;
}

export interface PushReport {
  /** Whether the server could read the pack, and what it says otherwise. */
  readonly unpack: string;
  /** By full ref name: undefined when it was updated, else the server's reason. */
  readonly refs: ReadonlyMap<string, string | undefined>;
  /** What hooks printed, trimmed. */
  readonly messages: string;
}

/** Whether the server says that it moved a ref. */
export function isUpdated(report: PushReport, ref: string): boolean {
  return report.unpack === "ok" && report.refs.has(ref) && report.refs.get(ref) === undefined;
}

/** @throws {AnswerFault} when the advertisement is cut off, empty or an error */
export function parseWriteAdvertisement(bytes: Uint8Array<ArrayBuffer>): WriteCapabilities {
  let first: string | undefined;
  let ended = false;
  for (const packet of readPackets(bytes)) {
    ended = packet.type === "flush";
    if (packet.type !== "data") continue;
    refuseErrorPacket(packet.bytes);
    const line = packetText(packet.bytes);
    if (!line.startsWith("# service=") && line !== "version 1") first ??= line;
  }
  if (!ended || first === undefined) throw new AnswerFault("broken", "the advertisement is empty or does not end");
  const names = (first.split("\0")[1] ?? "").split(" ").filter((name) => name !== "");
  const format = names.find((name) => name.startsWith("object-format="));
  return { names: new Set(names), objectFormat: format?.slice("object-format=".length) ?? "sha1" };
}

/**
 * Sends updates and a pack in one request.
 *
 * @throws {AnswerFault} when no whole report came back: the push may have landed or not
 */
export async function sendPack(
  transport: GitTransport,
  push: {
    readonly capabilities: WriteCapabilities;
    readonly updates: readonly RefUpdate[];
    readonly pack: Uint8Array<ArrayBuffer>;
  },
  signal?: AbortSignal,
): Promise<PushReport> {
  const { names } = push.capabilities;
  const wanted = [
    "report-status",
    "side-band-64k",
    "quiet",
    "object-format=sha1",
    ...(push.updates.length > 1 ? ["atomic"] : []),
  ];
  const asked = wanted.filter((name) => names.has(name));
  if ([...names].some((name) => name.startsWith("agent="))) asked.push(AGENT);
  const lines = push.updates.map((update, index) => {
    const tail = index === 0 ? `\0 ${asked.join(" ")}` : "";
    return encodePacket(`${update.from} ${update.to} ${update.ref}${tail}`);
  });
  const body = concatBytes([...lines, FLUSH, push.pack]);
  const answer = await transport.exchange("git-receive-pack", body, signal);
  return asked.includes("side-band-64k") ? parseSidebandReport(answer) : parseReport(answer, "");
}

function parseSidebandReport(answer: Uint8Array<ArrayBuffer>): PushReport {
  const report: Uint8Array[] = [];
  let messages = "";
  let last: Packet["type"] | undefined;
  for (const packet of readPackets(answer)) {
    last = packet.type;
    if (packet.type !== "data") continue;
    refuseErrorPacket(packet.bytes);
    const rest = packet.bytes.subarray(1);
    if (packet.bytes[0] === 1) report.push(rest);
    else if (packet.bytes[0] === 2) messages = (messages + new TextDecoder().decode(rest)).slice(0, MESSAGES_CHARS_MAX);
    else throw new AnswerFault("remote", packetText(rest).trim());
  }
  if (last !== "flush") throw new AnswerFault("broken", "the answer to a push does not end");
  return parseReport(concatBytes(report), messages.trim());
}

function parseReport(bytes: Uint8Array<ArrayBuffer>, messages: string): PushReport {
  const refs = new Map<string, string | undefined>();
  let unpack: string | undefined;
  let ended = false;
  for (const packet of readPackets(bytes)) {
    ended = packet.type === "flush";
    if (packet.type !== "data") continue;
    refuseErrorPacket(packet.bytes);
    const line = packetText(packet.bytes);
    const [word, ref = "", ...why] = line.split(" ");
    if (word === "unpack") unpack = line.slice("unpack ".length);
    else if (word === "ok") refs.set(ref, undefined);
    else if (word === "ng") refs.set(ref, why.join(" ") || "no reason given");
  }
  if (unpack === undefined || !ended) throw new AnswerFault("broken", "the answer to a push holds no report");
  return { unpack, refs, messages };
}
