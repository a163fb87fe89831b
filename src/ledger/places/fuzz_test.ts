/**
 * Files that nobody thought of: the cases' files with bytes put in, taken out and swapped, and documents made of any mix of
 * styles. Nothing throws; what is edited says what was wanted and nothing else; going back gives the same bytes. A
 * failure prints its seed; each property ends by itself after a few seconds.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { FileText } from "../splice.ts";
import { asInEarlier, editPlaces, type PlaceWish } from "./edit_places.ts";
import { findPlaces } from "./mod.ts";
import type { ImagePlace, WrittenImage } from "./place.ts";

const LIMIT_MS = 4000;
const FOLDER = new URL("../../../fixtures/places/", import.meta.url);
const SEEDS = [...Deno.readDirSync(FOLDER)].filter(({ isDirectory }) => isDirectory).map(({ name }) =>
  Deno.readFileSync(new URL(`${name}/input.yaml`, FOLDER))
);

/** Tags that YAML readers take for something else, and ordinary ones. */
const TAGS = ["1e3", "0x1", "true", "null", "010", "1_000", "no", "2026-01-01", "1.10", "0o7", "5.", "v1", "1-2", "_x"];
const tag = fc.oneof(fc.constantFrom(...TAGS), fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}$/));
const digest = fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}`);
const version = fc.record({ tag: fc.option(tag), digest: fc.option(digest) });
const as = fc.constantFrom("manifests" as const, "values" as const);

function placesIn(file: FileText, kind: "manifests" | "values"): readonly ImagePlace[] {
  const found = findPlaces(file, kind);
  return found.type === "found" ? found.places : [];
}

interface Try {
  readonly file: FileText;
  readonly as: "manifests" | "values";
  readonly pick: number;
  readonly wanted: Pick<WrittenImage, "tag" | "digest">;
}

const sameSpot = (a: ImagePlace, b: ImagePlace): boolean =>
  a.kind === b.kind && a.document === b.document && a.object === b.object && a.key === b.key &&
  JSON.stringify(a.path) === JSON.stringify(b.path);

/** Places that the bytes of another one are part of: they change together. */
function sharers(place: ImagePlace, places: readonly ImagePlace[]): readonly ImagePlace[] {
  const ranges = (of: ImagePlace) => of.parts.map(({ range }) => JSON.stringify(range));
  return places.filter((other) => ranges(other).some((range) => ranges(place).includes(range)));
}

/** Whether an edit was made; all that must hold for it is asserted. */
function attempt({ file, as: kind, pick, wanted }: Try): boolean {
  const places = placesIn(file, kind);
  const place = places[pick % Math.max(places.length, 1)];
  if (place === undefined) return false;
  const group = sharers(place, places);
  const wishes = group.map((other): PlaceWish => ({ place: other, wanted: { name: null, ...wanted } }));
  const edited = editPlaces(file, wishes);
  if (edited.type === "refused") {
    assert.match(edited.reason, /^Cannot edit "/);
    return false;
  }
  const after: FileText = { ...file, content: edited.content };
  const now = placesIn(after, kind);
  const meant = (other: ImagePlace): boolean => group.some((one) => sameSpot(one, other));
  for (const other of now.filter(meant)) {
    assert.deepEqual([other.image.tag, other.image.digest], [wanted.tag, wanted.digest]);
  }
  const untouched = (list: readonly ImagePlace[]) =>
    list.filter((other) => !meant(other)).map(({ image, path }) => [image, path]);
  assert.deepEqual(untouched(now), untouched(places));
  assertOnlyRangesChanged(file, edited.content, group);
  const back = now.filter(meant).map((other) => asInEarlier(other, file, kind)).filter((wish) => wish !== null);
  if (back.length !== group.length) return true;
  const reverted = editPlaces(after, back);
  const isSameShape = group.every(({ parts }) =>
    now.filter(meant).some((other) =>
      other.parts.length === parts.length && other.parts.every((part, index) => part.role === parts[index]?.role)
    )
  );
  if (!isSameShape) return true;
  assert.ok(reverted.type === "edited", reverted.type === "refused" ? reverted.reason : "");
  assert.deepEqual(reverted.content, file.content);
  return true;
}

/** Everything before the first and behind the last scalar that was meant is the same, to the byte. */
function assertOnlyRangesChanged(file: FileText, after: Uint8Array, group: readonly ImagePlace[]): void {
  const ranges = group.flatMap(({ parts }) => parts.flatMap(({ range }) => range ?? []));
  const lineStart = (at: number): number => file.content.lastIndexOf(10, at - 1) + 1;
  const start = Math.min(...ranges.map((range) => lineStart(range.start)));
  const lineEnd = (at: number): number => {
    const end = file.content.indexOf(10, at);
    return end < 0 ? file.content.length : end + 1;
  };
  const end = Math.max(...ranges.map((range) => lineEnd(range.end)));
  const tail = file.content.length - end;
  assert.deepEqual(after.subarray(0, start), file.content.subarray(0, start));
  assert.deepEqual(after.subarray(after.length - tail), file.content.subarray(end));
}

const SNIPPETS = [
  "\n",
  "\r\n",
  " ",
  "  ",
  "\t",
  "'",
  '"',
  "# c",
  "{",
  "}",
  "[",
  "]",
  "&a ",
  "*a",
  "<<: *a\n",
  "- ",
  "|\n",
  ">-\n",
]
  .concat([
    "---\n",
    "...\n",
    "{{ x }}",
    "${X}",
    ":",
    "@",
    "image: a:1\n",
    "tag: 1\n",
    "\u00e9",
    "\ufeff",
    "\u2028",
    "!!str ",
  ]);

interface Mutation {
  readonly at: number;
  readonly remove: number;
  readonly insert: string;
}
const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.nat(4000),
  remove: fc.oneof(fc.constant(0), fc.nat(6)),
  insert: fc.oneof(fc.constant(""), fc.constantFrom(...SNIPPETS)),
});

function mutated(seed: Uint8Array, mutations: readonly Mutation[]): Uint8Array<ArrayBuffer> {
  let text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(seed);
  for (const { at, remove, insert } of mutations) {
    const start = at % (text.length + 1);
    text = text.slice(0, start) + insert + text.slice(start + remove);
  }
  return new TextEncoder().encode(text);
}

const PATHS = ["apps/shop/kustomization.yaml", "apps/shop.yaml"];

Deno.test("places of files with bytes put in and taken out: edits say what is wanted, and go back to the byte", () => {
  let edits = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...SEEDS),
      fc.array(mutation, { maxLength: 4 }),
      fc.constantFrom(...PATHS),
      as,
      fc.nat(40),
      version,
      (seed, mutations, path, kind, pick, wanted) => {
        const file: FileText = { path, content: mutated(seed, mutations), link: false };
        if (attempt({ file, as: kind, pick, wanted })) edits++;
      },
    ),
    { numRuns: 3000, interruptAfterTimeLimit: LIMIT_MS },
  );
  assert.ok(edits > 10, `only ${edits} edits`);
});

Deno.test("places of any bytes are found or refused, never thrown at", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.tuple(fc.constantFrom(...SEEDS), fc.uint8Array({ maxLength: 3 }), fc.nat(3000)).map(([seed, noise, at]) => {
      const start = at % (seed.length + 1);
      return new Uint8Array([...seed.subarray(0, start), ...noise, ...seed.subarray(start)]);
    }),
  );
  fc.assert(
    fc.property(bytes, as, fc.boolean(), (content, kind, link) => {
      const found = findPlaces({ path: "kustomization.yaml", content: new Uint8Array(content), link }, kind);
      assert.ok(found.type === "refused" ? found.reason !== "" : !link);
    }),
    { numRuns: 1000, interruptAfterTimeLimit: LIMIT_MS },
  );
});

interface Style {
  readonly quote: "" | "'" | '"';
  readonly eol: "\n" | "\r\n";
  readonly bom: boolean;
  readonly final: boolean;
  readonly indent: number;
  readonly space: string;
  readonly comment: string;
  readonly flow: boolean;
}
const style: fc.Arbitrary<Style> = fc.record({
  quote: fc.constantFrom("", "'", '"'),
  eol: fc.constantFrom("\n", "\r\n"),
  bom: fc.boolean(),
  final: fc.boolean(),
  indent: fc.constantFrom(1, 2, 4),
  space: fc.constantFrom(" ", "  ", "\t", " \t "),
  comment: fc.constantFrom("", ' # {"$imagepolicy": "a:b"}', "\t# caf\u00e9", " #", "   "),
  flow: fc.boolean(),
});

/** A workload of several containers, the image as the style has it. */
function workload(images: readonly string[], { quote, eol, bom, final, indent, space, comment, flow }: Style): string {
  const pad = " ".repeat(indent);
  const item = (image: string, index: number): string =>
    flow
      ? `- {name: c${index}, image:${space}${quote}${image}${quote}, args: [a]}${comment}`
      : `- name: c${index}\n  image:${space}${quote}${image}${quote}${comment}\n  args: [a]`;
  const list = images.map(item).join("\n").split("\n").map((line) => `${pad.repeat(4)}${line}`);
  const text = [
    "apiVersion: apps/v1",
    "kind: Deployment",
    "metadata: {name: shop}",
    "spec:",
    `${pad}template:`,
    `${pad.repeat(2)}spec:`,
    `${pad.repeat(3)}containers:`,
    ...list,
  ].join("\n") + (final ? "\n" : "");
  return `${bom ? "\ufeff" : ""}${text.replaceAll("\n", eol)}`;
}

Deno.test("places of workloads in any style: every image is found and can be written", () => {
  const reference = fc.tuple(fc.constantFrom("shop", "ghcr.io/acme/shop", "localhost:5000/a"), tag, fc.option(digest))
    .map(([name, text, hash]) => `${name}:${text}${hash === null ? "" : `@${hash}`}`);
  fc.assert(
    fc.property(
      fc.array(reference, { minLength: 1, maxLength: 3 }),
      style,
      fc.nat(2),
      version.filter((one) => one.tag !== null),
      (images, look, pick, wanted) => {
        const content = new TextEncoder().encode(workload(images, look));
        const file: FileText = { path: "apps/shop.yaml", content, link: false };
        const places = placesIn(file, "manifests");
        assert.deepEqual(places.map(({ parts }) => parts[0]?.text), images);
        assert.ok(attempt({ file, as: "manifests", pick, wanted }), "refused");
      },
    ),
    { numRuns: 1000, interruptAfterTimeLimit: LIMIT_MS },
  );
});
