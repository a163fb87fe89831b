/** Streams as text and as lines: wherever the chunks are cut, the same lines come out, and a cut line never does. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import fc from "fast-check";
import { BoundReachedError, readText, splitLines } from "./lines.ts";

function streamOf(text: string, chunkBytes: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let from = 0;
  return new ReadableStream({
    pull(controller) {
      if (from >= bytes.byteLength) return controller.close();
      controller.enqueue(bytes.slice(from, from + chunkBytes));
      from += chunkBytes;
    },
  });
}

async function linesOf(text: string, chunkBytes: number, charsMax = 1000): Promise<readonly string[]> {
  return await Array.fromAsync(splitLines(streamOf(text, chunkBytes), charsMax));
}

Deno.test("lines do not depend on where chunks are cut", async () => {
  const line = fc.string({ unit: "binary", minLength: 1, maxLength: 12 }).filter((text) => !text.includes("\n"));
  const chunk = fc.integer({ min: 1, max: 9 });
  await fc.assert(fc.asyncProperty(fc.array(line, { maxLength: 8 }), chunk, async (lines, chunkBytes) => {
    const text = lines.map((one) => `${one}\n`).join("");
    deepEqual(await linesOf(text, chunkBytes), lines.map((one) => one.toWellFormed()));
    equal(await readText(streamOf(text, chunkBytes), 10_000), text.toWellFormed());
  }));
});

Deno.test("a stream that ends inside a line yields the whole ones and then fails", async () => {
  const seen: string[] = [];
  await rejects(async () => {
    for await (const line of splitLines(streamOf('{"a":1}\n\n{"b":', 3), 100)) seen.push(line);
  }, /ended inside a line/);
  deepEqual(seen, ['{"a":1}']);
});

Deno.test("what is longer than its bound is not kept", async () => {
  await rejects(linesOf("x".repeat(200), 10, 100), BoundReachedError);
  await rejects(readText(streamOf("x".repeat(200), 10), 199), BoundReachedError);
  equal((await readText(streamOf("x".repeat(200), 10), 200)).length, 200);
  equal(await readText(null, 0), "");
});
