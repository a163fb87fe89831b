/** Our inflate against the library's: what it makes, where it ends, and what it refuses. */
import assert from "node:assert/strict";
import { constants, deflateSync, inflateRawSync, inflateSync } from "node:zlib";
import fc from "fast-check";
import { fuzz } from "../../../test/support/fuzz.ts";
import { inflateInto } from "./inflate.ts";
import { AnswerFault, concatBytes } from "./pkt_line.ts";

const words = fc.array(fc.constantFrom("apiVersion", ": v1\n", "  - ", "image", "kind", "\u00e9", "x", "0123456789"), {
  maxLength: 300,
}).map((parts) => new TextEncoder().encode(parts.join("")));
const skewed = fc.array(fc.integer({ min: 0, max: 14 }), { maxLength: 2000 })
  .map((all) => Uint8Array.from(all.flatMap((bit) => new Array(1 << (14 - bit) >> 6).fill(bit * 17))));
const contents = fc.oneof(fc.uint8Array({ maxLength: 3000 }), words, skewed);
const options = fc.record({
  level: fc.integer({ min: 0, max: 9 }),
  memLevel: fc.integer({ min: 1, max: 9 }),
  windowBits: fc.integer({ min: 9, max: 15 }),
  strategy: fc.constantFrom(
    constants.Z_DEFAULT_STRATEGY,
    constants.Z_FIXED,
    constants.Z_HUFFMAN_ONLY,
    constants.Z_RLE,
    constants.Z_FILTERED,
  ),
});

function ours(stream: Uint8Array, size: number, end = stream.length) {
  const into = new Uint8Array(size);
  return { end: inflateInto(into, size, stream, { from: 0, end }), bytes: into };
}

function refuses(work: () => unknown): boolean {
  try {
    work();
    return false;
  } catch (error) {
    assert.ok(error instanceof AnswerFault && error.kind === "broken", String(error));
    return true;
  }
}

/** What the library makes of a stream, or null where it refuses it or makes another size. */
function theirs(stream: Uint8Array, size: number): Uint8Array | null {
  try {
    const bytes = inflateSync(stream, { maxOutputLength: size + 1 });
    return bytes.length === size ? new Uint8Array(bytes) : null;
  } catch {
    return null;
  }
}

fuzz(
  "what the library deflated is inflated, to the end of it and no further",
  fc.property(contents, options, fc.uint8Array({ maxLength: 9 }), (content, how, behind) => {
    const stream = new Uint8Array(deflateSync(content, how));
    const found = ours(concatBytes([stream, behind]), content.length);
    assert.equal(found.end, stream.length);
    assert.deepEqual(found.bytes, new Uint8Array(content));
    assert.ok(refuses(() => ours(stream, content.length + 1)));
    assert.ok(content.length === 0 || refuses(() => ours(stream, content.length - 1)));
    assert.ok(refuses(() => ours(concatBytes([stream, behind]), content.length, stream.length - 1)));
  }),
);

fuzz(
  "streams that were changed are taken or refused as the library does",
  fc.property(
    contents,
    options,
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
    (content, how, changes) => {
      const stream = new Uint8Array(deflateSync(content, how));
      for (const [at, value] of changes) {
        // Heads of blocks are where most can be said wrongly.
        const place = value % 3 === 0 ? at % stream.length : at % Math.min(40, stream.length);
        stream[place] = value;
      }
      const library = theirs(stream, content.length);
      if (library === null) assert.ok(refuses(() => ours(stream, content.length)));
      else assert.deepEqual(ours(stream, content.length).bytes, library);
    },
  ),
);

/** What the library makes of blocks without head and checksum, and how many bytes they take; null where it refuses. */
function theirBlocks(body: Uint8Array) {
  for (let end = 1; end <= body.length; end++) {
    try {
      return { end, bytes: new Uint8Array(inflateRawSync(body.subarray(0, end))) };
    } catch {
      // Not whole yet, or never.
    }
  }
  return null;
}

fuzz(
  "blocks made up of any bits are taken or refused as the library does",
  fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.constantFrom(0, 2, 4), (bits, kind) => {
    const body = Uint8Array.from(bits);
    body[0] = ((body[0] ?? 0) & ~7) | kind | 1;
    const library = theirBlocks(body);
    const content = library?.bytes ?? new Uint8Array(0);
    const checksum = new Uint8Array(deflateSync(content)).slice(-4);
    const stream = concatBytes([Uint8Array.of(0x78, 0x9c), body.subarray(0, library?.end), checksum]);
    if (library === null) assert.ok(refuses(() => ours(stream, content.length)));
    else assert.deepEqual(ours(stream, content.length), { end: stream.length, bytes: content });
  }),
);

Deno.test("a stream is refused wherever it is cut off", () => {
  const content = new TextEncoder().encode("kind: Deployment\n".repeat(20));
  for (const strategy of [constants.Z_DEFAULT_STRATEGY, constants.Z_FIXED]) {
    const stream = new Uint8Array(deflateSync(content, { strategy }));
    for (let end = 0; end < stream.length; end++) {
      assert.ok(refuses(() => ours(stream.slice(0, end), content.length)), `cut at ${end}`);
      assert.ok(refuses(() => ours(stream, content.length, end)), `ends at ${end}`);
    }
  }
});
