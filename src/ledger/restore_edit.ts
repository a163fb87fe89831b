/**
 * The edits of one file that make its manifests say what they said before: values where only values differ, else the
 * smallest part with a key of its own, else the document, taken as the earlier commit had it. Smallest change first.
 */
import { at, type Json, type KubeObject } from "../core/kube_object.ts";
import type { ManifestPlace } from "../core/catalogue.ts";
import { type DocumentRef, sameDocument, takeDocument, takeKey } from "./region.ts";
import { type Edited, type FileText, finishEdit, planEdit, type PlannedSplice, refuse } from "./splice.ts";
import { differencesOf } from "./unit_diff.ts";
import { openYaml, sameJson, type Splice, withValueAt, type YamlFile, type YamlPath } from "./yaml_file.ts";

/** A manifest's share of the release unit, as it is and as it should be. */
export interface UnitPart {
  readonly place: ManifestPlace;
  readonly is: KubeObject;
  readonly wanted: KubeObject;
  /** Of the manifest's fields, those that belong to the release unit. */
  readonly fields: "pod-template" | "content";
}

export type FileRestored =
  | Edited
  /** The shape differs: the file as the earlier commit had it is needed. */
  | { readonly type: "needs-original" };

/** The file at the release's own commit; undefined: not looked at yet, null: not to be had. */
export type Original = Uint8Array<ArrayBuffer> | null | undefined;

/** Edits one file for all parts that stand in it. */
export function restoreFile(file: FileText, parts: readonly UnitPart[], original: Original): FileRestored {
  if (file.link) return refuse(file, "it is a link");
  const opened = openYaml(file.content);
  if (opened.type === "refused") return refuse(file, opened.reason);
  const before = original === undefined || original === null ? undefined : openYaml(original);
  const earlier = before?.type === "opened" ? before.file : undefined;
  const splices: Splice[] = [];
  let wanted = opened.file.values;
  for (const part of parts) {
    const context = { file: opened.file, earlier, part };
    let restored = restorePart(context, planEdit);
    if (restored.type === "restored" && restored.shared && !provesAlone(file, opened.file, restored, part)) {
      restored = restorePart(context, planEditAlone);
    }
    if (restored.type === "refused" && original === undefined) return { type: "needs-original" };
    if (restored.type === "refused") {
      const whole = restoreDocument(context);
      if (whole.type === "refused") return refuse(file, restored.reason);
      restored = whole;
    }
    splices.push(...restored.splices);
    const value = restored.value;
    wanted = wanted.map((other, index) => index === part.place.document ? value(other) : other);
  }
  return finishEdit(file, { text: opened.file.text, splices, wanted });
}

interface PartContext {
  readonly file: YamlFile;
  readonly earlier: YamlFile | undefined;
  readonly part: UnitPart;
}

type PartRestored =
  | {
    readonly type: "restored";
    readonly splices: readonly Splice[];
    readonly value: (document: Json) => Json;
    /** Whether a scalar of it may be seen in other places too. */
    readonly shared: boolean;
  }
  | { readonly type: "refused"; readonly reason: string };

/** Path from the document's root to the manifest. */
export function manifestPath(place: ManifestPlace): YamlPath {
  return place.item === null ? [] : ["items", place.item];
}

/** Whether a part says what it should, and nothing else does, although some of its scalars may be seen elsewhere. */
function provesAlone(
  file: FileText,
  opened: YamlFile,
  { splices, value }: Extract<PartRestored, { readonly type: "restored" }>,
  { place }: UnitPart,
): boolean {
  const wanted = opened.values.map((other, index) => index === place.document ? value(other) : other);
  return finishEdit(file, { text: opened.text, splices, wanted }).type === "edited";
}

/** Leaves scalars alone that other places may see. */
function planEditAlone(...args: Parameters<typeof planEdit>): PlannedSplice {
  const planned = planEdit(...args);
  return planned.type === "planned" && planned.shared !== null ? { type: "refused", reason: planned.shared } : planned;
}

function restorePart({ file, earlier, part }: PartContext, plan: typeof planEdit): PartRestored {
  const prefix = manifestPath(part.place);
  const into: DocumentRef = { file, document: part.place.document };
  const from = earlier === undefined ? undefined : sameDocument(into, earlier, prefix);
  const splices: Splice[] = [];
  const values: { readonly path: YamlPath; readonly value: Json }[] = [];
  let shared = false;
  for (const difference of partDifferences(part)) {
    const path = [...prefix, ...difference.path];
    let planned: PlannedSplice = { type: "refused", reason: `the shape of the manifest changed at ${path.join(".")}` };
    if (difference.type === "scalar") {
      planned = plan(file, { document: into.document, path, value: difference.value });
      if (planned.type === "planned") values.push({ path, value: difference.value });
    }
    if (planned.type === "refused") {
      const taken = from === undefined ? planned : takeKey(into, from, path);
      if (from === undefined || taken.type === "refused") return { type: "refused", reason: planned.reason };
      planned = taken;
      values.push({ path, value: at(from.file.values[from.document], ...path) ?? null });
    }
    if (planned.splice !== null) splices.push(planned.splice);
    shared ||= planned.shared !== null;
  }
  const value = (document: Json) => values.reduce((so, change) => withValueAt(so, change.path, change.value), document);
  return { type: "restored", splices, value, shared };
}

function partDifferences({ is, wanted, fields }: UnitPart): ReturnType<typeof differencesOf> {
  if (fields === "content") return differencesOf(contentOf(is), contentOf(wanted));
  const path = ["spec", "template"];
  return differencesOf(at(is, ...path) ?? null, at(wanted, ...path) ?? null, path);
}

/** What of a config enters the revision: all but metadata and status. */
function contentOf(object: KubeObject): Json {
  const { metadata: _metadata, status: _status, ...content } = object;
  return content;
}

/** The whole document as it was, where all of it that is not the release unit still says the same. */
function restoreDocument({ file, earlier, part }: PartContext): PartRestored {
  const reason = "more than the release has changed in its document since";
  if (part.place.item !== null || earlier === undefined) return { type: "refused", reason };
  const into: DocumentRef = { file, document: part.place.document };
  const from = sameDocument(into, earlier, []);
  if (from === undefined) return { type: "refused", reason };
  const now = file.values[into.document] ?? null;
  const then = earlier.values[from.document] ?? null;
  if (!sameJson(outsideOf(now, part.fields), outsideOf(then, part.fields))) return { type: "refused", reason };
  const taken = takeDocument(into, from);
  if (taken.type === "refused") return taken;
  return { type: "restored", splices: taken.splice === null ? [] : [taken.splice], value: () => then, shared: false };
}

function outsideOf(document: Json, fields: UnitPart["fields"]): Json {
  if (fields === "pod-template") return withValueAt(document, ["spec", "template"], null);
  return ["apiVersion", "kind", "metadata", "status"].map((key) => at(document, key) ?? null);
}
