/**
 * The output of a renderer as a file of the catalogue: what a kustomization yields stands in its kustomization file. Only
 * Canaries with `render: kustomize` are taken from there, and those are taken from nowhere else. Pure.
 */
import { type CanaryId, canaryKey } from "../core/canary.ts";
import type { Complaint } from "../core/catalogue.ts";
import { stringAt } from "../core/kube_object.ts";
import { readYaml } from "../schema/places.ts";
import type { SpecDocument } from "./complaints.ts";
import { type ParsedFile, parseDocuments } from "./parse_file.ts";
import { idOf } from "./read_spec.ts";

/** How the files that a kustomization reaches are read besides it. */
export interface Cover {
  /** Names of the canaries that it yields; null: it could not be rendered. */
  readonly names: ReadonlySet<string> | null;
  /** It yields Canaries that are not rendered too. */
  readonly isMixed: boolean;
}

/** Whether a Canary asks to be rendered by kustomize. */
export function isRendered({ value }: SpecDocument): boolean {
  const annotation = stringAt(value, "metadata", "annotations", "serin.dev/render");
  return (stringAt(value, "spec", "render") ?? annotation) === "kustomize";
}

/**
 * @param path of the kustomization file
 * @param content multi-document YAML, as a renderer gives it
 */
export function parseRendered(
  path: string,
  content: Uint8Array,
): { readonly file: ParsedFile; readonly cover: Cover } | { readonly problem: string } {
  const read = readYaml(new TextDecoder().decode(content));
  if (read.type === "broken") return { problem: `What it renders to cannot be read: ${read.reason}` };
  // Lines of the output are nobody's lines.
  const documents = read.documents.map(({ value }) => ({ value, line: 1, lineOf: () => 1 }));
  const parsed = parseDocuments(path, documents);
  const canaryDocs = parsed.canaryDocs.filter(isRendered);
  const isNameless = canaryDocs.some(({ value }) => idOf(value) === null);
  const file: ParsedFile = {
    ...parsed,
    state: isNameless ? "unknown" : "parsed",
    reason: isNameless ? parsed.reason : "",
    canaryDocs,
    profiled: [],
    isRendered: true,
  };
  const names = canaryDocs.flatMap(({ value }) => stringAt(value, "metadata", "name") ?? []);
  return { file, cover: { names: new Set(names), isMixed: canaryDocs.length < parsed.canaryDocs.length } };
}

/** A kustomization that could not be rendered: its canaries are known by name, and stall. */
export function unrendered(
  path: string,
  complaints: readonly Complaint[],
  canaries: readonly CanaryId[],
): ParsedFile {
  const ids = new Map(canaries.map((id) => [canaryKey(id), id]));
  return {
    path,
    state: "unknown",
    reason: complaints[0]?.message ?? "",
    manifests: [],
    canaryDocs: [],
    profiled: [],
    templates: [],
    providers: [],
    complaints: ids.size === 0 ? complaints : [],
    stalled: [...ids.values()].map((id) => ({ id, complaints: complaints.map((one) => ({ ...one, canary: id })) })),
    isRendered: true,
  };
}

/** A file without its Canaries that are rendered, for whoever renders nothing; a warning says of each that it is not read. */
export function leftUnrendered(file: ParsedFile): ParsedFile {
  const rendered = file.canaryDocs.filter(isRendered);
  if (rendered.length === 0) return file;
  const canaryDocs = file.canaryDocs.filter((document) => !rendered.includes(document));
  const warnings = rendered.map((document): Complaint => ({
    file: file.path,
    line: document.lineOf(["spec", "render"]),
    field: "spec.render",
    message: "Is rendered by kustomize, which this command does not run: nothing is said of this Canary",
    fix: "Ask the agent, which renders it, with `serin status`",
    severity: "warning",
    canary: null,
  }));
  return { ...file, state: "unknown", canaryDocs, complaints: [...file.complaints, ...warnings] };
}

/** A file as it is read for canaries that are not rendered, where a kustomization reaches it. */
export function withoutRendered(file: ParsedFile, cover: Cover): ParsedFile {
  if (file.canaryDocs.length === 0 && file.templates.length + file.providers.length === 0) return file;
  const isTaken = (document: SpecDocument): boolean => {
    if (cover.names === null || !cover.isMixed || isRendered(document)) return true;
    return cover.names.has(stringAt(document.value, "metadata", "name") ?? "");
  };
  const canaryDocs = file.canaryDocs.filter((document) => !isTaken(document));
  const isUnread = file.state === "unknown" && file.manifests.length === 0;
  // A canary that is not rendered may have been among those taken from a kustomization that does not build.
  const mayHideOne = cover.names === null && file.canaryDocs.length > 0;
  const isNameless = canaryDocs.some(({ value }) => idOf(value) === null);
  return {
    ...file,
    state: isUnread || mayHideOne || isNameless ? "unknown" : "parsed",
    canaryDocs,
    // In a base they may lack what an overlay gives them.
    templates: file.templates.filter(({ value }) => value !== null),
    providers: file.providers.filter(({ value }) => value !== null),
  };
}
