/** Makes complaints of problems: adds the file, the line and the canary, and puts them into words for a terminal. */
import type { CanaryId, SourceRef } from "../core/canary.ts";
import type { Complaint, ManifestPlace } from "../core/catalogue.ts";
import type { JsonObject } from "../core/kube_object.ts";
import { type FieldPath, formatPath } from "../schema/path.ts";
import type { Problem } from "../schema/problem.ts";

/** One Kubernetes object as a file has it. */
export interface SpecDocument {
  readonly value: JsonObject;
  readonly place: ManifestPlace;
  /** 1-based line of the nearest field on a path of `value`. */
  readonly lineOf: (path: FieldPath) => number;
}

/** Collects complaints about one document. */
export interface Complaints {
  readonly all: readonly Complaint[];
  readonly hasErrors: () => boolean;
  readonly error: (path: FieldPath, message: string, fix: string) => void;
  readonly warn: (path: FieldPath, message: string, fix: string) => void;
  readonly problems: (problems: readonly Problem[]) => void;
}

/** @param place where a field was really written, when that is not where its path says */
export function complaintsAbout(
  document: SpecDocument,
  canary: CanaryId | null,
  place: (path: FieldPath) => FieldPath = (path) => path,
): Complaints {
  const all: Complaint[] = [];
  const add = (severity: Complaint["severity"]) => (field: FieldPath, message: string, fix: string): void => {
    const { file } = document.place;
    const path = place(field);
    all.push({ file, line: document.lineOf(path), field: formatPath(path), message, fix, severity, canary });
  };
  const error = add("error");
  return {
    all,
    hasErrors: () => all.some(({ severity }) => severity === "error"),
    error,
    warn: add("warning"),
    problems: (problems) => problems.forEach(({ path, reason, fix }) => error(path, reason, fix)),
  };
}

/** Where a document stands, as the core's types have it. */
export function sourceOf(document: SpecDocument): SourceRef {
  return { file: document.place.file, line: document.place.line };
}

/** `apps/shop.yaml:12: error: spec.analysis.threshold: Must be ...: ... (fix: ...)`: one line for people. */
export function formatComplaint(complaint: Complaint): string {
  const { file, line, field, message, fix, severity } = complaint;
  const where = line === 0 ? file : `${file}:${line}`;
  return `${where}: ${severity}: ${field === "" ? "" : `${field}: `}${message} (fix: ${fix})`;
}

/** By file, line and field, so that the same input always reads the same. */
export function sortComplaints(complaints: readonly Complaint[]): readonly Complaint[] {
  const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  return [...complaints].sort((a, b) => compare(a.file, b.file) || a.line - b.line || compare(a.field, b.field));
}
