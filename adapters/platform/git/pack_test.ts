import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { type GitObject, oidOf } from "./objects.ts";
import { readPack, writePack } from "./pack.ts";
import { AnswerFault, concatBytes, type FaultKind } from "./pkt_line.ts";

const LIMITS = { inflatedBytesMax: 1_000_000 };
const NONE = { get: () => undefined };
const text = new TextEncoder();

function blob(content: string): GitObject {
  return { type: "blob", bytes: text.encode(content) };
}

/** A pack of raw entries with a right header and checksum. */
function packOf(count: number, ...entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const body = concatBytes([text.encode("PACK"), Uint8Array.of(0, 0, 0, 2, 0, 0, 0, count), ...entries]);
  return concatBytes([body, createHash("sha1").update(body).digest()]);
}

/** An entry of fewer than 16 bytes; type 3 is a blob, 7 a delta against an id. */
function entry(type: number, content: Uint8Array, between: Uint8Array = new Uint8Array(0)): Uint8Array {
  return concatBytes([Uint8Array.of((type << 4) | content.length), between, deflateSync(content)]);
}

/** A delta that copies `length` bytes from the start of its base and appends "!". */
function delta(baseBytes: number, length: number): Uint8Array {
  return Uint8Array.of(baseBytes, length + 1, 0x90, length, 1, 0x21);
}

async function expectFault(kind: FaultKind, pack: Uint8Array<ArrayBuffer>, limits = LIMITS): Promise<void> {
  await assert.rejects(readPack(pack, NONE, limits), (error) => {
    assert.ok(error instanceof AnswerFault, String(error));
    assert.equal(error.kind, kind);
    return true;
  });
}

Deno.test("a pack is read as it was written", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 5000 }), { maxLength: 12 }), async (contents) => {
      const objects = contents.map((content): GitObject => ({ type: "blob", bytes: new Uint8Array(content) }));
      const read = await readPack(writePack(objects), NONE, LIMITS);
      assert.deepEqual(new Set(read.keys()), new Set(objects.map(oidOf)));
      for (const object of objects) assert.deepEqual(read.get(oidOf(object)), object);
    }),
  );
});

Deno.test("no part of a pack can be lost or changed unnoticed", async () => {
  const pack = writePack([blob("one"), blob("two")]);
  for (let at = 0; at < pack.length; at++) {
    await expectFault("broken", pack.slice(0, at));
    await expectFault("broken", pack.with(at, (pack[at] ?? 0) ^ 1));
  }
});

Deno.test("deltas are resolved whatever their order, chains too", async () => {
  const [first, second, third] = [blob("hello"), blob("hello!"), blob("hello!!")];
  const onto = (object: GitObject) => Uint8Array.fromHex(oidOf(object));
  const pack = packOf(
    3,
    entry(7, delta(6, 6), onto(second)),
    entry(7, delta(5, 5), onto(first)),
    entry(3, first.bytes),
  );
  const read = await readPack(pack, NONE, LIMITS);
  assert.deepEqual([...read.keys()].sort(), [first, second, third].map(oidOf).sort());
});

Deno.test("a thin pack takes its bases from elsewhere, and without them is incomplete", async () => {
  const base = blob("hello");
  const pack = packOf(1, entry(7, delta(5, 5), Uint8Array.fromHex(oidOf(base))));
  const read = await readPack(pack, { get: (oid) => oid === oidOf(base) ? base : undefined }, LIMITS);
  assert.deepEqual([...read.keys()], [oidOf(blob("hello!"))]);
  await expectFault("incomplete", pack);
});

Deno.test("packs that contradict themselves are broken", async () => {
  const one = entry(3, text.encode("one"));
  await expectFault("broken", packOf(2, one));
  await expectFault("broken", packOf(0, one));
  await expectFault("broken", packOf(1, entry(5, text.encode("one"))));
  await expectFault("broken", packOf(1, concatBytes([Uint8Array.of((3 << 4) | 9), deflateSync(text.encode("one"))])));
  await expectFault("broken", packOf(1, concatBytes([Uint8Array.of((3 << 4) | 2), deflateSync(text.encode("one"))])));
  await expectFault("broken", packOf(1, entry(6, delta(5, 5), Uint8Array.of(0))));
  const tooLong = packOf(2, one, entry(7, delta(3, 9), Uint8Array.fromHex(oidOf(blob("one")))));
  await expectFault("broken", tooLong);
});

Deno.test("a pack that would grow beyond the bound is refused before it does", async () => {
  const pack = writePack([{ type: "blob", bytes: new Uint8Array(100_000) }]);
  assert.ok(pack.length < 400);
  await expectFault("too-large", pack, { inflatedBytesMax: 99_999 });
});
