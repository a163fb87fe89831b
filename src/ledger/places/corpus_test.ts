/**
 * Real manifests against a list of every place in them, made by another tool (`fixtures/corpus/places.json` says how):
 * all are found and no others, and each is bumped and put back to the byte, or refused where it must be.
 */
import assert from "node:assert/strict";
import { manifestsCorpus, manifestsUnder } from "../../../test/support/manifests_corpus.ts";
import type { FileText } from "../splice.ts";
import { pathText } from "../yaml_file.ts";
import { asInEarlier, editPlaces, type PlaceWish } from "./edit_places.ts";
import { findPlaces } from "./mod.ts";
import type { ImagePlace, WrittenImage } from "./place.ts";

interface Listed {
  readonly document: number;
  readonly path: string;
  readonly kind: string;
  readonly role: string;
  readonly value: string;
  readonly line: number;
  readonly policy?: string;
  readonly held?: string;
}
interface ListedFile {
  readonly as?: "values";
  readonly refused?: string;
  readonly places: readonly Listed[];
}
interface Corpus {
  readonly folder: string;
  readonly files: Readonly<Record<string, ListedFile>>;
}

async function corpus(): Promise<Corpus | null> {
  const folder = await manifestsCorpus();
  if (folder === null) return null;
  const listed = new URL("../../../fixtures/corpus/places.json", import.meta.url);
  const { files }: { readonly files: Readonly<Record<string, ListedFile>> } = JSON.parse(
    await Deno.readTextFile(listed),
  );
  return { folder, files };
}

async function fileOf({ folder }: Corpus, path: string): Promise<FileText> {
  return { path, content: await Deno.readFile(`${folder}/${path}`), link: false };
}

function placesIn(file: FileText, as: ListedFile["as"]): readonly ImagePlace[] {
  const found = findPlaces(file, as);
  assert.equal(found.type, "found", `${file.path}: ${found.type === "refused" ? found.reason : ""}`);
  return found.type === "found" ? found.places : [];
}

/** The same text for a listed and for a found scalar. */
function lineOf(what: Omit<Listed, "held" | "line"> & { readonly line: number; readonly held: boolean }): string {
  const { document, path, kind, role, value, line, policy, held } = what;
  return `${document} ${path} ${kind} ${role} ${value} L${line} ${policy ?? "-"}${held ? " held" : ""}`;
}

function foundLines(file: FileText, places: readonly ImagePlace[]): readonly string[] {
  return places.flatMap(({ document, kind, parts, held }) =>
    parts.map(({ path, role, text, range, policy, prefix }) => {
      assert.ok(range !== null, `${file.path}: no range at ${pathText(path)}`);
      const before = file.content.subarray(0, range.start);
      const written = new TextDecoder().decode(file.content.subarray(range.start, range.end));
      assert.equal(written.replace(/^(["'])([^]*)\1$/, "$2"), `${prefix}${text}`, `${file.path}: ${pathText(path)}`);
      const line = before.filter((byte) => byte === 10).length + 1;
      const policyText = policy === null ? {} : { policy };
      return lineOf({
        document,
        path: pathText(path),
        kind,
        role,
        value: text,
        line,
        ...policyText,
        held: held !== null,
      });
    })
  );
}

Deno.test("findPlaces() finds every listed place of the real manifests, and no others", async () => {
  const known = await corpus();
  if (known === null) return;
  assert.deepEqual(await manifestsUnder(known.folder), Object.keys(known.files).sort(), "the list is of other files");
  let count = 0;
  for (const [path, { as, refused, places }] of Object.entries(known.files)) {
    const file = await fileOf(known, path);
    if (refused !== undefined) {
      assert.equal(findPlaces(file, as).type, "refused", path);
      continue;
    }
    const wanted = places.map((listed) => lineOf({ ...listed, held: listed.held !== undefined }));
    assert.deepEqual([...foundLines(file, placesIn(file, as))].sort(), [...wanted].sort(), path);
    count += wanted.length;
  }
  assert.ok(count > 200, `only ${count} places`);
});

/** What a bot would write there next. */
function bumped({ image, parts }: ImagePlace): WrittenImage {
  const digest = image.digest === null ? null : `sha256:${"5e".repeat(32)}`;
  const isVersioned = parts.some(({ role }) => role === "tag" || role === "digest" || role === "reference");
  if (!isVersioned) return { ...image, name: `${image.name}-serin` };
  const tag = image.tag === null ? (image.digest === null ? "serin" : null) : `${image.tag}-serin`;
  return { ...image, tag, digest };
}

/** A place with all that are written by the same bytes. */
function withSharers(place: ImagePlace, places: readonly ImagePlace[]): readonly ImagePlace[] {
  const ranges = ({ parts }: ImagePlace) => parts.map(({ range }) => `${range?.start}-${range?.end}`);
  return places.filter((other) => ranges(other).some((range) => ranges(place).includes(range)));
}

function changedLines(before: FileText, after: Uint8Array): readonly number[] {
  const lines = (bytes: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes).split("\n");
  const [was, is] = [lines(before.content), lines(after)];
  assert.equal(is.length, was.length, `${before.path} has other lines`);
  return was.flatMap((line, index) => line === is[index] ? [] : [index + 1]);
}

function bumpAndRevert(
  file: FileText,
  as: ListedFile["as"],
  { place, places }: { readonly place: ImagePlace; readonly places: readonly ImagePlace[] },
): void {
  const where = `${file.path}: ${pathText(place.path)}`;
  const group = withSharers(place, places);
  const edited = editPlaces(file, group.map((other): PlaceWish => ({ place: other, wanted: bumped(other) })));
  assert.ok(edited.type === "edited", edited.type === "refused" ? edited.reason : "");
  const after: FileText = { ...file, content: edited.content };
  const now = placesIn(after, as);
  const again = now.filter(({ key, object }) => group.some((other) => other.key === key && other.object === object));
  assert.deepEqual(again.map(({ image }) => image), group.map(bumped), where);
  const scalars = new Set(
    group.flatMap(({ parts }, index) =>
      parts.flatMap((part, position) => {
        const isSame = again[index]?.parts[position]?.text === part.text;
        const start = part.range?.start ?? 0;
        return isSame ? [] : [file.content.subarray(0, start).filter((byte) => byte === 10).length + 1];
      })
    ),
  );
  assert.deepEqual(changedLines(file, edited.content), [...scalars].sort((a, b) => a - b), where);
  const wishes = again.map((other) => asInEarlier(other, file, as)).filter((wish) => wish !== null);
  assert.equal(wishes.length, again.length, `${where} is not told again in the earlier file`);
  const reverted = editPlaces(after, wishes);
  assert.ok(reverted.type === "edited", reverted.type === "refused" ? reverted.reason : "");
  assert.deepEqual(reverted.content, file.content, `${where} is not what it was`);
}

Deno.test("editPlaces() bumps every place of the real manifests on its own lines, and gives back the same bytes", async () => {
  const known = await corpus();
  if (known === null) return;
  let count = 0;
  for (const [path, { as, refused }] of Object.entries(known.files)) {
    if (refused !== undefined) continue;
    const file = await fileOf(known, path);
    const places = placesIn(file, as);
    for (const place of places) {
      if (place.held !== null) {
        const edited = editPlaces(file, [{ place, wanted: { ...place.image, tag: "serin" } }]);
        assert.equal(edited.type, "refused", `${path}: ${pathText(place.path)}`);
        continue;
      }
      bumpAndRevert(file, as, { place, places });
      count++;
    }
  }
  assert.ok(count > 150, `only ${count} places`);
});

Deno.test("editPlaces() refuses an anchor of the real manifests that is meant for one of its places only", async () => {
  const known = await corpus();
  if (known === null) return;
  let count = 0;
  for (const [path, { as, refused }] of Object.entries(known.files)) {
    if (refused !== undefined) continue;
    const file = await fileOf(known, path);
    const places = placesIn(file, as);
    for (const place of places.filter((other) => withSharers(other, places).length > 1)) {
      const edited = editPlaces(file, [{ place, wanted: bumped(place) }]);
      assert.equal(edited.type, "refused", `${path}: ${pathText(place.path)}`);
      assert.match(edited.type === "refused" ? edited.reason : "", /alias|anchor|merge key/);
      count++;
    }
  }
  assert.ok(count > 10, `only ${count} shared places`);
});
