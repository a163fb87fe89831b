/** Packs that lie: about counts, sizes, kinds, bases and deltas, under a checksum that is right. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { fuzz } from "../../../test/support/fuzz.ts";
import { type GitObject, oidOf } from "./objects.ts";
import { readPack, writePack } from "./pack.ts";
import { AnswerFault, concatBytes } from "./pkt_line.ts";

const INFLATED_BYTES_MAX = 50_000;
const text = new TextEncoder();
const BASE: GitObject = { type: "blob", bytes: text.encode("a base that deltas may build on\n") };
const BASES = { get: (oid: string) => oid === oidOf(BASE) ? BASE : undefined };

const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => new Uint8Array(array));

/** Numbers of seven bits each, the lowest first, as sizes in deltas are. */
function sevenBits(value: number): Uint8Array<ArrayBuffer> {
  const out: number[] = [];
  let rest = value;
  do {
    const more = rest >= 128;
    out.push((rest % 128) | (more ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Uint8Array.from(out);
}

function entryHead(type: number, size: number): Uint8Array<ArrayBuffer> {
  const rest = Math.floor(size / 16);
  const first = (type << 4) | (size % 16) | (rest > 0 ? 128 : 0);
  return rest > 0 ? concatBytes([Uint8Array.of(first), sevenBits(rest)]) : Uint8Array.of(first);
}

function packOf(count: number, entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(12);
  head.set(text.encode("PACK"));
  const view = new DataView(head.buffer);
  view.setUint32(4, 2);
  view.setUint32(8, count);
  return withChecksum(concatBytes([head, ...entries]));
}

function withChecksum(body: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return concatBytes([body, createHash("sha1").update(body).digest()]);
}

/** Sizes as announced: mostly right, sometimes off, sometimes of a planet. */
const announced = (right: number) =>
  fc.oneof(
    { weight: 5, arbitrary: fc.constant(right) },
    { weight: 1, arbitrary: fc.nat(200) },
    { weight: 1, arbitrary: fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 40, 2 ** 52) },
  );

const delta = fc.record({
  base: fc.oneof(announced(BASE.bytes.length)),
  result: fc.oneof(announced(8)),
  instructions: fc.oneof(
    fc.constant(Uint8Array.of(0x90, 8)),
    fc.constant(Uint8Array.of(0xff, 255, 255, 255, 255, 255, 255, 255)),
    bytes,
  ),
}).map(({ base, result, instructions }) => concatBytes([sevenBits(base), sevenBits(result), instructions]));

const entry = fc.record({
  type: fc.oneof({ weight: 6, arbitrary: fc.constantFrom(3, 6, 7) }, { weight: 1, arbitrary: fc.nat(7) }),
  content: fc.oneof(bytes, delta),
  between: fc.oneof(fc.constant(Uint8Array.fromHex(oidOf(BASE))), bytes, fc.constant(Uint8Array.of(20))),
  isDeflated: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
}).chain((one) =>
  announced(one.content.length).map((size) =>
    concatBytes([
      entryHead(one.type, size),
      one.type === 6 || one.type === 7 ? one.between : new Uint8Array(0),
      one.isDeflated ? deflateSync(one.content) : one.content,
    ])
  )
);

/** Read whole, each object under its own hash and all within the bound; or refused as the server's fault. */
async function holds(pack: Uint8Array<ArrayBuffer>): Promise<void> {
  try {
    const read = await readPack(pack, BASES, { inflatedBytesMax: INFLATED_BYTES_MAX });
    for (const [oid, object] of read) assert.equal(oid, oidOf(object));
    const total = [...read.values()].reduce((sum, object) => sum + object.bytes.length, 0);
    assert.ok(total <= INFLATED_BYTES_MAX);
  } catch (error) {
    assert.ok(error instanceof AnswerFault, `${error instanceof Error ? error.stack : error}`);
  }
}

fuzz(
  "packs that lie under a right checksum are read whole or refused",
  fc.asyncProperty(
    fc.array(entry, { maxLength: 6 }),
    fc.oneof(fc.constant(null), fc.nat(9), fc.constant(4_294_967_295)),
    async (entries, count) => await holds(packOf(count ?? entries.length, entries)),
  ),
);

fuzz(
  "packs with bytes changed, moved or cut out are read whole or refused",
  fc.asyncProperty(
    fc.array(bytes, { minLength: 1, maxLength: 8 }),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
    fc.tuple(fc.nat(), fc.nat(20)),
    async (contents, changes, [from, length]) => {
      const good = writePack(contents.map((content): GitObject => ({ type: "blob", bytes: content }))).slice(0, -20);
      for (const [at, value] of changes) good[at % good.length] = value;
      const start = from % good.length;
      await holds(withChecksum(good));
      await holds(withChecksum(concatBytes([good.subarray(0, start), good.subarray(start + length)])));
    },
  ),
);

fuzz(
  "bytes that are no pack are refused",
  fc.asyncProperty(bytes, bytes, async (head, tail) => {
    await holds(concatBytes([head, tail]));
    await holds(withChecksum(concatBytes([text.encode("PACK"), head, tail])));
  }),
);
