import assert from "node:assert/strict";
import fc from "fast-check";
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

const text = new TextEncoder();

Deno.test("packets are read as they were written", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (payloads) => {
    const bytes = concatBytes([...payloads.map((payload) => encodePacket(payload)), FLUSH]);
    const packets = [...readPackets(bytes)];
    assert.equal(packets.length, payloads.length + 1);
    payloads.forEach((payload, index) => {
      const packet = packets[index];
      assert.equal(packet?.type, "data");
      if (packet?.type === "data") assert.deepEqual([...packet.bytes], [...payload]);
    });
    assert.deepEqual(packets.at(-1), { type: "flush" });
  }));
});

Deno.test("marks are told apart", () => {
  const bytes = concatBytes([DELIMITER, text.encode("0002"), FLUSH]);
  assert.deepEqual([...readPackets(bytes)].map((packet) => packet.type), ["delimiter", "end", "flush"]);
});

Deno.test("bytes that end early or are no packets are refused", () => {
  for (const bad of ["000", "0009abc", "zzzz", "+1fe", "0003", "<htm"]) {
    assert.throws(() => [...readPackets(text.encode(bad))], AnswerFault, bad);
  }
});

Deno.test("an ERR packet throws the server's words", () => {
  assert.throws(() => refuseErrorPacket(text.encode("ERR not our ref\n")), { kind: "remote", message: "not our ref" });
  refuseErrorPacket(text.encode("ERRATUM"));
  assert.equal(packetText(text.encode("unpack ok\n")), "unpack ok");
});
