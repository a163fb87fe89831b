/** What the collected manifests lack, case by case: `fixtures/places/README.md` says how a case is read. */
import assert from "node:assert/strict";
import type { FileText } from "../splice.ts";
import { pathText, yamlValues } from "../yaml_file.ts";
import { asInEarlier, editPlaces } from "./edit_places.ts";
import { findPlaces, type Found } from "./mod.ts";
import type { ImagePlace, WrittenImage } from "./place.ts";

const FOLDER = new URL("../../../fixtures/places/", import.meta.url);

interface WantedPlace {
  readonly kind: string;
  readonly key: string;
  readonly of: string | null;
  readonly image: string;
  readonly at: string;
  readonly document?: number;
  readonly held?: string;
  readonly policy?: string;
}
interface Edit {
  readonly what: string;
  readonly wish: Readonly<Record<string, Partial<WrittenImage>>>;
  readonly want?: readonly (readonly [number, string | null])[];
  readonly refused?: string;
}
interface Case {
  readonly path: string;
  readonly as?: "values";
  readonly link?: boolean;
  readonly refused?: string;
  readonly places?: readonly WantedPlace[];
  readonly valuesFiles?: unknown;
  readonly edits?: readonly Edit[];
}

function casesIn(folder: URL): readonly string[] {
  return [...Deno.readDirSync(folder)].filter(({ isDirectory }) => isDirectory).map(({ name }) => name).sort();
}

function read(name: string): { readonly file: FileText; readonly wanted: Case } {
  const wanted: Case = JSON.parse(Deno.readTextFileSync(new URL(`${name}/case.json`, FOLDER)));
  const content = Deno.readFileSync(new URL(`${name}/input.yaml`, FOLDER));
  return { file: { path: wanted.path, content, link: wanted.link ?? false }, wanted };
}

function placesIn(found: Found): readonly ImagePlace[] {
  assert.ok(found.type === "found", found.type === "refused" ? found.reason : "");
  return found.places;
}

/** What a place says, as a case writes it. */
function described(place: ImagePlace, held: string | undefined): WantedPlace {
  const { kind, key, of, image, path, document, parts } = place;
  const [policy] = parts.flatMap((part) => part.policy ?? []);
  const { name, tag, digest } = image;
  const text = `${name ?? ""}${tag === null ? "" : `:${tag}`}${digest === null ? "" : `@${digest}`}`;
  const isHeld = held !== undefined && place.held !== null && place.held.includes(held);
  return {
    kind,
    key,
    of,
    image: text,
    at: pathText(path),
    ...(document === 0 ? {} : { document }),
    ...(place.held === null ? {} : { held: isHeld ? held : place.held }),
    ...(policy === undefined ? {} : { policy }),
  };
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** The text with some lines replaced; each keeps the line ending it had, and a new one takes that of the line above. */
function withLines(text: string, changes: Edit["want"]): string {
  const lines = text.split(/(?<=\n)/);
  const ending = (line: string): string => /\r?\n$/.exec(line)?.[0] ?? "";
  return lines.map((line, index) => {
    const change = changes?.find(([number]) => number === index + 1);
    if (change === undefined) return line;
    const [, written] = change;
    const between = ending(line) || "\n";
    return written === null ? "" : `${written.replaceAll("\n", between)}${ending(line)}`;
  }).join("");
}

function check(file: FileText, wanted: Case, edit: Edit): void {
  const places = placesIn(findPlaces(file, wanted.as));
  const wishes = Object.entries(edit.wish).flatMap(([key, wish]) => {
    const meant = places.filter((place) => place.key === key);
    assert.ok(meant.length > 0, `no place "${key}"`);
    return meant.map((place) => ({ place, wanted: { name: null, tag: null, digest: null, ...wish } }));
  });
  const edited = editPlaces(file, wishes);
  if (edit.refused !== undefined) {
    assert.equal(edited.type, "refused", "not refused");
    assert.match(edited.type === "refused" ? edited.reason : "", new RegExp(edit.refused));
    return;
  }
  assert.ok(edited.type === "edited", edited.type === "refused" ? edited.reason : "");
  assert.equal(textOf(edited.content), withLines(textOf(file.content), edit.want));
  const after: FileText = { ...file, content: edited.content };
  const now = placesIn(findPlaces(after, wanted.as)).filter(({ key }) => Object.hasOwn(edit.wish, key));
  const back = now.map((place) => asInEarlier(place, file, wanted.as)).filter((wish) => wish !== null);
  assert.equal(back.length, now.length, "a place is not told again in the earlier file");
  const reverted = editPlaces(after, back);
  const isSameShape = edit.want?.every(([, text]) => text !== null && !text.includes("\n")) ?? true;
  if (isSameShape) {
    assert.ok(reverted.type === "edited", reverted.type === "refused" ? reverted.reason : "");
    assert.deepEqual(reverted.content, file.content, "the earlier bytes do not come back");
  } else if (reverted.type === "edited") {
    assert.deepEqual(yamlValues(textOf(reverted.content)), yamlValues(textOf(file.content)));
  }
}

for (const name of casesIn(FOLDER)) {
  const { file, wanted } = read(name);
  Deno.test(`findPlaces() in fixtures/places/${name}`, () => {
    const found = findPlaces(file, wanted.as);
    if (wanted.refused !== undefined) {
      assert.match(found.type === "refused" ? found.reason : "found", new RegExp(wanted.refused));
      return;
    }
    const says = placesIn(found).map((place, index) => described(place, wanted.places?.[index]?.held));
    assert.deepEqual(says, wanted.places);
    if (found.type === "found") assert.deepEqual(found.valuesFiles, wanted.valuesFiles ?? []);
    for (const { parts } of placesIn(found)) {
      for (const { range, prefix, text } of parts) {
        if (range === null) continue;
        const written = textOf(file.content.subarray(range.start, range.end));
        assert.ok(yamlValues(written)?.[0] === `${prefix}${text}` || written.includes(text), written);
      }
    }
  });
  for (const edit of wanted.edits ?? []) {
    Deno.test(`editPlaces() in fixtures/places/${name}: ${edit.what}`, () => check(file, wanted, edit));
  }
}

Deno.test("asInEarlier() keeps a byte order mark that a value begins with, and so the bytes come back", () => {
  const content = new TextEncoder().encode("kind: Component\nimages:\n  - {name: shop, newTag: \uFEFFv1} # c\n");
  const earlier = { path: "apps/kustomization.yaml", content, link: false };
  const [then] = placesIn(findPlaces(earlier));
  assert.ok(then !== undefined);
  const bumped = editPlaces(earlier, [{ place: then, wanted: { ...then.image, tag: "v2" } }]);
  assert.ok(bumped.type === "edited");
  const after = { ...earlier, content: bumped.content };
  const [now] = placesIn(findPlaces(after));
  const wish = now === undefined ? null : asInEarlier(now, earlier);
  assert.ok(wish !== null);
  const back = editPlaces(after, [wish]);
  assert.deepEqual(back.type === "edited" ? back.content : back, content);
});
