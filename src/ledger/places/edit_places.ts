/**
 * Writes wanted images at places of a file: the seam between whoever knows that places carry a release (rendering, or
 * the live target) and the bytes in Git. Everything but the scalars meant stays as it is, and the result is read again:
 * it must say exactly what was wanted, in the file and in texts within it, or the edit is refused with the reason.
 */
import { at, type Json } from "../../core/kube_object.ts";
import { type Edited, type FileText, finishEdit, planEdit, refuse } from "../splice.ts";
import {
  applySplices,
  openYaml,
  pathText,
  sameJson,
  type Splice,
  withValueAt,
  type YamlFile,
  yamlValues,
} from "../yaml_file.ts";
import { innerLayers, layersOf } from "./layer.ts";
import { insertKey, type KeyChange, removeKey, renameKey } from "./map_keys.ts";
import { findPlaces } from "./mod.ts";
import type { ImagePlace, PartRole, WrittenImage } from "./place.ts";
import { type PlaceChange, type PlaceChanges, planPlace } from "./plan_place.ts";

/** A place, found in the very file that is edited, and what it shall say. */
export interface PlaceWish {
  readonly place: ImagePlace;
  readonly wanted: WrittenImage;
  /**
   * The scalars as an earlier version of the file has them, with their quotes: so that going back gives the same bytes.
   * Used where they say what is wanted.
   */
  readonly asWritten?: Readonly<Partial<Record<PartRole, string>>>;
}

/** Edits one file for all wishes about it; an anchor is written where all places that see it are among them. */
export function editPlaces(file: FileText, wishes: readonly PlaceWish[]): Edited {
  if (file.link) return refuse(file, "it is a link");
  const opened = openYaml(file.content);
  if (opened.type === "refused") return refuse(file, opened.reason);
  const exact = tryEdit(file, opened.file, wishes);
  if (exact.type === "edited" || wishes.every(({ asWritten }) => asWritten === undefined)) return exact;
  return tryEdit(file, opened.file, wishes.map(({ place, wanted }) => ({ place, wanted })));
}

/**
 * The wish that makes a place what it was in an earlier version of its file; null where that version does not have it,
 * or has it twice.
 */
export function asInEarlier(
  place: ImagePlace,
  earlier: FileText,
  as: "manifests" | "values" = "manifests",
): PlaceWish | null {
  const found = findPlaces(earlier, as);
  if (found.type === "refused") return null;
  const same = ({ kind, object, key }: ImagePlace): boolean =>
    kind === place.kind && object === place.object && key === place.key;
  const [then, ...others] = found.places.filter(same);
  if (then === undefined || others.length > 0) return null;
  const asWritten = Object.fromEntries(then.parts.flatMap(({ role, range }) => {
    const bytes = range === null ? undefined : earlier.content.subarray(range.start, range.end);
    return bytes === undefined ? [] : [[role, new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)]];
  }));
  return { place, wanted: then.image, asWritten };
}

interface Progress {
  readonly splices: Splice[];
  readonly inner: InnerEdit[];
  wanted: readonly Json[];
  shared: string | null;
}

interface InnerEdit {
  readonly document: number;
  readonly part: ImagePlace["parts"][number];
  readonly value: Json;
  readonly source: string | undefined;
}

function tryEdit(file: FileText, opened: YamlFile, wishes: readonly PlaceWish[]): Edited {
  const progress: Progress = { splices: [], inner: [], wanted: opened.values, shared: null };
  for (const wish of wishes) {
    const planned = asItWas(wish) ?? planPlace(wish.place, wish.wanted);
    const where = pathText(wish.place.path);
    if (planned.type === "refused") return refuse(file, `the image at ${where}: ${planned.reason}`);
    for (const change of planned.changes) {
      const reason = plan(opened, { wish, change, progress });
      if (reason !== null) return refuse(file, reason);
    }
  }
  const reason = planInner(opened, progress);
  if (reason !== null) return refuse(file, reason);
  const { splices, wanted, shared } = progress;
  const edited = finishEdit(file, { text: opened.text, splices, wanted });
  return edited.type === "refused" && shared !== null ? refuse(file, shared) : edited;
}

/** The changes of a wish whose place has the same scalars as before: each is written over by what it was. */
function asItWas({ place, asWritten }: PlaceWish): PlaceChanges | null {
  if (asWritten === undefined || place.held !== null) return null;
  if (Object.keys(asWritten).length !== place.parts.length) return null;
  const changes: PlaceChange[] = [];
  for (const part of place.parts) {
    const text = writtenText(asWritten[part.role])?.text;
    if (text === undefined || !text.startsWith(part.prefix)) return null;
    changes.push({ type: "set", part, text: text.slice(part.prefix.length) });
  }
  return { type: "changes", changes };
}

/** What a scalar's source means, and as text: a number's is its source. */
function writtenText(
  source: string | undefined,
): { readonly text: string; readonly value: string | number } | undefined {
  // Not at the beginning of a text, where a byte order mark and "---" would mean something else.
  const value = source === undefined ? undefined : yamlValues(` ${source}`)?.[0];
  if (typeof value === "string") return { text: value, value };
  return typeof value === "number" && source !== undefined ? { text: source, value } : undefined;
}

/** Adds one change to what is planned; a text says why it cannot be. */
function plan(
  opened: YamlFile,
  { wish, change, progress }: { readonly wish: PlaceWish; readonly change: PlaceChange; readonly progress: Progress },
): string | null {
  const { document } = wish.place;
  if (change.type === "set") return planSet(opened, { wish, change, progress });
  const part = change.type === "insert" ? change.after : change.part;
  if (part.inner !== null) {
    return `${pathText(part.inner.path)} stands in a text: no keys are put in or taken out there`;
  }
  const changed: KeyChange = change.type === "remove"
    ? removeKey(opened, document, part.path)
    : change.type === "insert"
    ? insertKey(opened, document, { after: part.path, key: change.key, text: change.text })
    : renameKey(opened, document, { path: part.path, key: change.key, text: change.text });
  if (changed.type === "refused") return changed.reason;
  progress.splices.push(changed.splice);
  progress.wanted = progress.wanted.map((value, index) => index === document ? changed.value(value) : value);
  return null;
}

function planSet(
  opened: YamlFile,
  { wish, change, progress }: {
    readonly wish: PlaceWish;
    readonly change: Extract<PlaceChange, { readonly type: "set" }>;
    readonly progress: Progress;
  },
): string | null {
  const { document } = wish.place;
  const { part } = change;
  if (part.held !== null && change.text !== part.text) return part.held;
  const text = `${part.prefix}${change.text}`;
  const written = writtenText(wish.asWritten?.[part.role]);
  const isExact = written !== undefined && written.text === text;
  if (!isExact && change.text === part.text) return null;
  const value = isExact ? written.value : text;
  const exact = isExact ? wish.asWritten?.[part.role] : undefined;
  if (part.inner !== null) {
    progress.inner.push({ document, part, value, source: exact });
    return null;
  }
  const planned = planEdit(opened, { document, path: part.path, value, source: exact });
  if (planned.type === "refused") return planned.reason;
  if (planned.splice !== null) progress.splices.push(planned.splice);
  progress.shared ??= planned.shared;
  progress.wanted = progress.wanted.map((whole, index) =>
    index === document ? withValueAt(whole, part.path, value) : whole
  );
  return null;
}

/** Changes within texts that are YAML: spliced in the file where their lines stand, proven inside and outside. */
function planInner(opened: YamlFile, progress: Progress): string | null {
  const texts = Map.groupBy(progress.inner, ({ document, part }) => JSON.stringify([document, part.path]));
  for (const edits of texts.values()) {
    const [first] = edits;
    const outer = first === undefined ? undefined : layersOf(opened)[first.document];
    if (first === undefined || outer === undefined) return "a text that an image stood in is gone";
    const { path } = first.part;
    const [layer] = innerLayers(outer, path);
    const offset = layer?.outer?.offset ?? null;
    if (layer === undefined || offset === null) return layer?.outer?.held ?? `${pathText(path)} holds no YAML`;
    const splices: Splice[] = [];
    let wanted = layer.yaml.values;
    for (const { part, value, source } of edits) {
      const spot = part.inner;
      if (spot === null || typeof value === "object" || value === undefined) return `${pathText(path)} holds no YAML`;
      const planned = planEdit(layer.yaml, { ...spot, value: asScalar(value), source });
      if (planned.type === "refused") return `${pathText(path)}: ${planned.reason}`;
      if (planned.splice !== null) splices.push(planned.splice);
      wanted = wanted.map((whole, index) => index === spot.document ? withValueAt(whole, spot.path, value) : whole);
    }
    const text = applySplices(layer.yaml.text, splices);
    const isProven = text !== undefined && sameJson(yamlValues(text), wanted);
    if (!isProven) return `${pathText(path)}: the change would say more than is meant`;
    progress.splices.push(...splices.map(({ start, end, text }) => ({ start: offset(start), end: offset(end), text })));
    progress.wanted = progress.wanted.map((whole, index) =>
      index === first.document && at(whole, ...path) !== undefined ? withValueAt(whole, path, text) : whole
    );
  }
  return null;
}

function asScalar(value: Json): string | number | boolean | null {
  return typeof value === "object" ? null : value;
}
