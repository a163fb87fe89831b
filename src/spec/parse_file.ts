/**
 * One file of a source in, its Kubernetes objects out. Depends on the file alone, so that a caller parses a file again
 * only when its content changed. Files that are plainly not Kubernetes are ignored without a word.
 */
import type { AlertProvider, CanaryId, MetricTemplate } from "../core/canary.ts";
import type { Complaint, Manifest } from "../core/catalogue.ts";
import { isJsonObject, type Json, type KubeObject, listAt, stringAt } from "../core/kube_object.ts";
import { exact } from "../core/exact.ts";
import type { Shared } from "../core/shared.ts";
import { listed, nearest } from "../schema/nearest.ts";
import { readYaml, type YamlDocument } from "../schema/places.ts";
import type { SpecDocument } from "./complaints.ts";
import { parseAlertProvider } from "./parse_alert_provider.ts";
import { parseMetricTemplate } from "./parse_metric_template.ts";
import { idOf, isOurGroup } from "./read_spec.ts";

/** Larger files are left out, with a complaint. */
export const FILE_SIZE_MAX_BYTES = 1024 * 1024;

/** Asks for a Canary from a profile; its value names the profile. */
export const PROFILE_ANNOTATION = "serin.dev/canary";

/** Kinds of our groups; the last two are the agent's own files. */
const OUR_KINDS = ["Canary", "MetricTemplate", "AlertProvider", "Primary", "Status"];

/** A template or alert provider with its name; `value` is null when it has errors. */
export interface Named<T> {
  readonly id: CanaryId;
  readonly value: T | null;
  readonly file: string;
  readonly line: number;
  readonly complaints: readonly Complaint[];
}

/** What one file declares. Immutable; the index tells files apart by identity. */
export interface ParsedFile {
  readonly path: string;
  /** `unknown`: may hold a canary, and could not be read. */
  readonly state: "parsed" | "ignored" | "unknown";
  /** Why it was not read, or not wholly; empty when it was. */
  readonly reason: string;
  readonly manifests: readonly Manifest[];
  readonly canaryDocs: readonly SpecDocument[];
  /** Workloads that ask for a Canary from a profile. */
  readonly profiled: readonly Manifest[];
  readonly templates: readonly Named<MetricTemplate>[];
  readonly providers: readonly Named<AlertProvider>[];
  /** About the file itself; those about templates and providers stand with them. */
  readonly complaints: readonly Complaint[];
  /** It is what a kustomization renders to: its canaries find their manifests in it, and others find none there. */
  readonly isRendered?: true;
  /** Canaries that are known to be in it, and cannot be read. */
  readonly stalled?: readonly { readonly id: CanaryId; readonly complaints: readonly Complaint[] }[];
}

/** Whether a path can hold manifests at all. What the agent itself writes is no catalogue material. */
export function isManifestPath(path: string): boolean {
  const ours = path.startsWith(".serin/") || path.includes("/.serin/");
  return !ours && /\.(ya?ml|json)$/i.test(path);
}

/**
 * Never throws.
 *
 * @param path relative to the repository, with slashes
 * @param shared where given, what files have in common is kept once
 */
export function parseFile(path: string, bytes: Uint8Array, shared: Shared | null = null): ParsedFile {
  if (!isManifestPath(path)) return unread(path, "ignored", "not a manifest's path");
  const content = new TextDecoder().decode(bytes);
  if (!content.includes("apiVersion") || !content.includes("kind")) {
    return unread(path, "ignored", "no apiVersion and kind");
  }
  if (bytes.length > FILE_SIZE_MAX_BYTES) {
    const message = `Is left out: it has ${bytes.length} bytes, and ${FILE_SIZE_MAX_BYTES} is the most that is read`;
    return unread(path, "unknown", message, [about(path, 0, { message, fix: "Split the file", severity: "warning" })]);
  }
  // Lines are asked for of Canaries alone, and seldom.
  const read = shared !== null && content.includes("Canary")
    ? readYaml(content, shared.text(content))
    : readYaml(content);
  if (read.type === "documents") {
    const documents = shared === null
      ? read.documents
      : read.documents.map((document) => ({ ...document, value: shared.of(document.value) }));
    return parseDocuments(path, documents);
  }
  if (content.includes("{{")) return unread(path, "unknown", "a template, not plain YAML");
  const message = `Cannot be read: ${read.reason}`;
  // Kubernetes itself reads some files that are not quite YAML; that stops nobody who does not use them here.
  const severity = /Canary|MetricTemplate|AlertProvider|serin\.dev\//.test(content) ? "error" : "warning";
  return unread(path, "unknown", message, [about(path, read.line, { message, fix: "Mend the YAML", severity })]);
}

function about(
  file: string,
  line: number,
  what: {
    readonly message: string;
    readonly fix: string;
    readonly severity?: Complaint["severity"];
    readonly field?: string;
  },
): Complaint {
  return { file, line, field: "", canary: null, severity: "error", ...what };
}

function unread(
  path: string,
  state: ParsedFile["state"],
  reason: string,
  complaints: readonly Complaint[] = [],
): ParsedFile {
  return { path, state, reason, complaints, manifests: [], canaryDocs: [], profiled: [], templates: [], providers: [] };
}

/** What documents declare that stand in a file, or that a file renders to. */
export function parseDocuments(path: string, documents: readonly YamlDocument[]): ParsedFile {
  const objects = documents.flatMap((document, index) => objectsOf(path, document, index));
  if (objects.length === 0) return unread(path, "ignored", "no document has apiVersion, kind and metadata.name");
  const ours = objects.filter(({ value }) => isOurGroup(stringAt(value, "apiVersion") ?? ""));
  if (ours.some(({ value }) => isTemplated(value))) return unread(path, "unknown", "a template, not plain YAML");
  const ofKind = (kind: string): readonly SpecDocument[] => ours.filter(({ value }) => value["kind"] === kind);
  const canaryDocs = ofKind("Canary");
  // A canary whose name cannot be read must not count as removed.
  const nameless = canaryDocs.some(({ value }) => idOf(value) === null);
  const manifests = objects.flatMap((
    { value, place },
  ): Manifest[] => (isKubeObject(value) ? [{ object: value, place }] : []));
  return {
    path,
    state: nameless ? "unknown" : "parsed",
    reason: nameless ? "a Canary in it has no usable name or namespace" : "",
    manifests: exact(manifests),
    canaryDocs: exact(canaryDocs),
    profiled: exact(
      manifests.filter(({ object }) => stringAt(object, "metadata", "annotations", PROFILE_ANNOTATION) !== undefined),
    ),
    templates: exact(
      ofKind("MetricTemplate").map((document) => {
        const { template, complaints } = parseMetricTemplate(document);
        return named(document, template, complaints);
      }),
    ),
    providers: exact(
      ofKind("AlertProvider").map((document) => {
        const { provider, complaints } = parseAlertProvider(document);
        return named(document, provider, complaints);
      }),
    ),
    complaints: exact(ours.flatMap(unknownKind)),
  };
}

function named<T>(document: SpecDocument, value: T | null, complaints: readonly Complaint[]): Named<T> {
  const { value: object, place } = document;
  const namespace = stringAt(object, "metadata", "namespace") ?? "";
  const name = stringAt(object, "metadata", "name") ?? "";
  return { id: { namespace, name }, value, file: place.file, line: place.line, complaints };
}

function unknownKind({ value, place }: SpecDocument): readonly Complaint[] {
  const kind = stringAt(value, "kind") ?? "";
  if (OUR_KINDS.includes(kind)) return [];
  const near = nearest(kind, OUR_KINDS);
  const message = `"${kind}" is not a kind of "${stringAt(value, "apiVersion") ?? ""}"${
    near === undefined ? "" : `: the nearest is "${near}"`
  }`;
  const fix = near === undefined ? `Use ${listed(OUR_KINDS.slice(0, 3))}` : `Write "kind: ${near}"`;
  return [about(place.file, place.line, { message, fix, field: "kind" })];
}

/** The Kubernetes objects of a document: itself, or the items of a List. Anything else is left out. */
function objectsOf(file: string, document: YamlDocument, index: number): readonly SpecDocument[] {
  const { value } = document;
  if (!isJsonObject(value)) return [];
  const kind = stringAt(value, "kind") ?? "";
  if (kind.endsWith("List") && Array.isArray(value["items"])) {
    return listAt(value, "items").flatMap((item, position): SpecDocument[] => {
      if (!isObjectLike(item)) return [];
      const line = document.lineOf(["items", position]);
      const place = { file, document: index, item: position, line };
      return [{ value: item, place, lineOf: (path) => document.lineOf(["items", position, ...path]) }];
    });
  }
  if (!isObjectLike(value)) return [];
  return [{ value, place: { file, document: index, item: null, line: document.line }, lineOf: document.lineOf }];
}

/** Whether a value was `{{ something }}`, which YAML reads as an object whose key is an object. */
function isTemplated(value: Json): boolean {
  if (Array.isArray(value)) return value.some(isTemplated);
  if (!isJsonObject(value)) return false;
  return Object.entries(value).some(([key, inner]) => /^\{.*\}$/.test(key.trim()) || isTemplated(inner));
}

/** Our own kinds count without a name too, so that its absence is said. */
function isObjectLike(value: Json): value is { readonly [key: string]: Json } {
  const apiVersion = stringAt(value, "apiVersion");
  if (apiVersion === undefined || stringAt(value, "kind") === undefined) return false;
  return isOurGroup(apiVersion) || stringAt(value, "metadata", "name") !== undefined;
}

function isKubeObject(value: unknown): value is KubeObject {
  return stringAt(value, "metadata", "name") !== undefined && stringAt(value, "apiVersion") !== undefined &&
    stringAt(value, "kind") !== undefined;
}
