/** Whatever a server sends, its answer is used whole or refused as a fault of its own; nothing else is ever thrown. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzz } from "../../../test/support/fuzz.ts";
import { parseAllowedSigners } from "./allowed_signers.ts";
import { parseCommit } from "./commit.ts";
import { AnswerFault, concatBytes, DELIMITER, encodePacket, FLUSH, PACKET_BYTES_MAX, readPackets } from "./pkt_line.ts";
import { parseWriteAdvertisement, sendPack } from "./receive_pack.ts";
import { parseRemoteAddress } from "./remote_address.ts";
import { parseTree } from "./tree.ts";
import { parseFetchAnswer, parseReadAdvertisement } from "./upload_pack.ts";
import { parseOldAdvertisement, parseOldAnswer } from "./upload_pack_v0.ts";

const text = new TextEncoder();
const OID = "5".repeat(40);

/** Runs a reader; undefined when it refuses in the one way that it may. */
function refusing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    assert.ok(error instanceof AnswerFault, `${error}`);
    return undefined;
  }
}

const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => new Uint8Array(array));

/** Lines as servers send them, and such as they never should. */
const line = fc.oneof(
  fc.constantFrom(
    "version 2\n",
    "version 1",
    "# service=git-upload-pack\n",
    "ls-refs\n",
    "fetch=shallow filter\n",
    "object-format=sha256",
    `${OID} refs/heads/main\0side-band-64k shallow agent=x\n`,
    `${OID} refs/heads/main`,
    `shallow ${OID}`,
    "packfile\n",
    "shallow-info\n",
    "acknowledgments\n",
    "NAK\n",
    `ACK ${OID}\n`,
    "ERR no\n",
    "unpack ok\n",
    "ok refs/heads/main\n",
    "ng refs/heads/main\n",
    "\x01PACK",
    "\x02progress",
    "\x03fatal\n",
    "\x04odd",
    "",
  ).map((content) => text.encode(content)),
  bytes,
).map(encodePacket);
const packets = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: line },
    { weight: 2, arbitrary: fc.constantFrom(FLUSH, DELIMITER, text.encode("0002")) },
    { weight: 1, arbitrary: bytes },
  ),
  { maxLength: 12 },
).map(concatBytes);

fuzz(
  "packets that are read are the bytes that came",
  fc.property(fc.oneof(packets, bytes), (answer) => {
    const read = refusing(() => [...readPackets(answer)]);
    if (read === undefined) return;
    const marks = { flush: FLUSH, delimiter: DELIMITER, end: text.encode("0002") };
    const again = concatBytes(read.map((one) => one.type === "data" ? encodePacket(one.bytes) : marks[one.type]));
    assert.equal(new TextDecoder("latin1").decode(again), new TextDecoder("latin1").decode(answer));
    for (const one of read) assert.ok(one.type !== "data" || one.bytes.length <= PACKET_BYTES_MAX + 15);
  }),
);

fuzz(
  "advertisements and answers are read, or refused as the server's fault",
  fc.asyncProperty(packets, async (answer) => {
    refusing(() => parseReadAdvertisement(answer));
    const old = refusing(() => parseOldAdvertisement(answer));
    for (const oid of old?.refs.values() ?? []) assert.match(oid, /^[0-9a-f]{40}$/);
    for (const parse of [parseFetchAnswer, parseOldAnswer]) {
      await parse(answer).catch((error) => assert.ok(error instanceof AnswerFault, String(error)));
    }
    refusing(() => parseWriteAdvertisement(answer));
    for (const names of [["report-status"], ["report-status", "side-band-64k"]]) {
      const transport = {
        advertise: () => Promise.resolve(answer),
        exchange: () => Promise.resolve(answer),
        close: () => Promise.resolve(),
      };
      const updates = [{ ref: "refs/heads/main", from: OID, to: OID }];
      const capabilities = { names: new Set(names), objectFormat: "sha1" };
      try {
        const report = await sendPack(transport, { capabilities, updates, pack: new Uint8Array(0) });
        assert.equal(typeof report.unpack, "string");
      } catch (error) {
        assert.ok(error instanceof AnswerFault, `${error}`);
      }
    }
  }),
);

fuzz(
  "no part of an answer can be cut off unnoticed",
  fc.asyncProperty(fc.array(bytes, { minLength: 1, maxLength: 5 }), fc.nat(), async (chunks, at) => {
    const sideband = chunks.map((chunk) => encodePacket(concatBytes([Uint8Array.of(1), chunk])));
    for (
      const [whole, read] of [
        [concatBytes([encodePacket("packfile\n"), ...sideband, FLUSH]), parseFetchAnswer],
        [concatBytes([encodePacket("NAK\n"), ...sideband, FLUSH]), parseOldAnswer],
      ] as const
    ) {
      assert.deepEqual((await read(whole)).pack, concatBytes(chunks));
      await assert.rejects(read(whole.slice(0, at % whole.length)), AnswerFault);
    }
  }),
);

fuzz(
  "objects that are no trees and no commits are refused",
  fc.property(fc.oneof(bytes, packets), (content) => {
    refusing(() => parseTree(content));
    refusing(() => parseCommit(OID, { type: "commit", bytes: content }));
  }),
);

fuzz(
  "addresses and allowed signers are understood or refused, and no address is an option",
  fc.property(fc.string({ unit: fc.constantFrom(...'git@:/-.~%0a[]ox=," \nssh-ed25519A'.split("")) }), (given) => {
    for (const address of [given, `ssh://${given}`, `git@${given}`, `https://${given}`]) {
      try {
        const parsed = parseRemoteAddress(address);
        if (parsed.type !== "ssh") continue;
        for (const word of [parsed.user ?? "git", parsed.host, parsed.path]) assert.match(word, /^[^-\n][^\n]*$/);
      } catch (error) {
        assert.ok(error instanceof Error && error.name === "InvalidSpecError", `${error}`);
      }
    }
    try {
      assert.ok(parseAllowedSigners(given, "signers").every(({ key }) => key !== ""));
    } catch (error) {
      assert.ok(error instanceof Error && error.name === "InvalidSpecError", `${error}`);
    }
  }),
);
