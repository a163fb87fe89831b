import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
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
  const head = new DataView(new ArrayBuffer(8));
  head.setUint32(0, 2);
  head.setUint32(4, count);
  const body = concatBytes([text.encode("PACK"), new Uint8Array(head.buffer), ...entries]);
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

/** Deltas that each make their base with one more "!", from the last to the first; the first base comes at the end. */
function chain(length: number) {
  const objects = [blob("x")];
  const entries: Uint8Array[] = [entry(3, text.encode("x"))];
  for (let at = 1; at <= length; at++) {
    const base = objects[at - 1] ?? blob("");
    const size = base.bytes.length;
    objects.push({ type: "blob", bytes: concatBytes([base.bytes, Uint8Array.of(0x21)]) });
    const sizes = [size, size + 1].flatMap((value) => value < 128 ? [value] : [(value & 127) | 128, value >> 7]);
    const copy = size < 256 ? [0x90, size] : [0xb0, size & 255, size >> 8];
    const instructions = Uint8Array.of(...sizes, ...copy, 1, 0x21);
    entries.push(entry(7, instructions, Uint8Array.fromHex(oidOf(base))));
  }
  return { objects, entries: entries.reverse() };
}

Deno.test("a chain of thousands of deltas in the wrong order is resolved, and read again", async () => {
  const { objects, entries } = chain(3000);
  const read = await readPack(packOf(entries.length, ...entries), NONE, { inflatedBytesMax: 100_000_000 });
  assert.equal(read.size, objects.length);
  for (const object of objects) assert.deepEqual(read.get(oidOf(object)), object);
});

Deno.test("thousands of deltas may wait for one base", async () => {
  const base = blob("base");
  const onto = Uint8Array.fromHex(oidOf(base));
  const tails = Array.from({ length: 20_000 }, (_, at) => text.encode(String(at)));
  const grown = tails.map((tail) => concatBytes([base.bytes, tail]));
  const waiting = tails.map((tail) => {
    const instructions = Uint8Array.of(4, 4 + tail.length, 0x90, 4, tail.length, ...tail);
    return entry(7, instructions, onto);
  });
  const pack = packOf(waiting.length + 1, ...waiting, entry(3, base.bytes));
  const read = await readPack(pack, NONE, LIMITS);
  assert.equal(read.size, waiting.length + 1);
  for (const bytes of grown) assert.ok(read.has(oidOf({ type: "blob", bytes })));
});

Deno.test("a pack may hold an object twice, whole and as a delta, and has it once", async () => {
  const [first, second] = [blob("hello"), blob("hello!")];
  const grown = entry(7, delta(5, 5), Uint8Array.fromHex(oidOf(first)));
  const read = await readPack(
    packOf(5, grown, entry(3, first.bytes), entry(3, first.bytes), grown, entry(3, second.bytes)),
    NONE,
    LIMITS,
  );
  assert.deepEqual([...read.keys()].sort(), [first, second].map(oidOf).sort());
});

Deno.test("deltas that wait for each other, or for themselves, leave the pack incomplete", async () => {
  const [one, other] = [blob("hello"), blob("hello!")].map((object) => Uint8Array.fromHex(oidOf(object)));
  await expectFault("incomplete", packOf(2, entry(7, delta(5, 5), one), entry(7, delta(6, 5), other)));
  await expectFault("incomplete", packOf(1, entry(7, delta(5, 5), other)));
});

Deno.test("a delta whose base is no beginning of an object is broken", async () => {
  const first = entry(3, text.encode("hello"));
  const between = (distance: number) => packOf(2, first, entry(6, delta(5, 5), Uint8Array.of(distance)));
  assert.equal((await readPack(between(first.length), NONE, LIMITS)).size, 2);
  for (let distance = 1; distance < first.length + 12; distance++) {
    if (distance !== first.length) await expectFault("broken", between(distance));
  }
});

Deno.test("deltas of a few bytes cannot have large bases read again and again", async () => {
  const sizeBytes = 5_000_000;
  const bases = [1, 2].map((value): GitObject => ({ type: "blob", bytes: new Uint8Array(sizeBytes).fill(value) }));
  const whole = writePack(bases).slice(12, -20);
  const size = [sizeBytes & 127 | 128, (sizeBytes >> 7) & 127 | 128, (sizeBytes >> 14) & 127 | 128, sizeBytes >> 21];
  const small = Array.from({ length: 40 }, (_, at) => {
    const base = Uint8Array.fromHex(oidOf(bases[at % 2] ?? blob("")));
    return entry(7, Uint8Array.of(...size, 2, 0x90, 1, 1, at), base);
  });
  const pack = packOf(2 + small.length, whole, ...small);
  await expectFault("too-large", pack, { inflatedBytesMax: 50_000_000 });
  assert.equal((await readPack(pack, NONE, { inflatedBytesMax: 500_000_000 })).size, 42);
});

Deno.test("reading a large pack leaves the event loop to others in between", async () => {
  const objects = Array.from({ length: 20_000 }, (_, at) => blob(`object ${at}`));
  const pack = writePack(objects);
  let isRead = false;
  const reading = readPack(pack, NONE, LIMITS).finally(() => isRead = true);
  let turns = 0;
  for (; !isRead; turns++) await setImmediate();
  assert.equal((await reading).size, objects.length);
  assert.ok(turns >= 15, `only ${turns} turns`);
});
