/** What every write carries: the object it is addressed to, who writes, and how strict to be. */
import type { JsonObject } from "../../core/kube_object.ts";
import { groupVersion, type Kind } from "./kinds.ts";
import type { ErrorSubject } from "./status_error.ts";

export type FieldValidation = "Strict" | "Warn" | "Ignore";

export interface WriteRequest {
  readonly kind: Kind;
  /** The version in the URL, such as "v1". */
  readonly version: string;
  /** The empty string for cluster-scoped kinds. */
  readonly namespace: string;
  /** The empty string for a create. */
  readonly name: string;
  readonly subresource?: "status" | "scale";
  readonly fieldManager: string;
  readonly fieldValidation: FieldValidation;
  readonly dryRun: boolean;
}

export interface WriteResult {
  readonly object: JsonObject;
  readonly created: boolean;
  /** Texts for `Warning` headers. */
  readonly warnings: readonly string[];
}

export function subjectOf(request: Pick<WriteRequest, "kind">, name: string): ErrorSubject {
  return { group: request.kind.group, plural: request.kind.plural, kind: request.kind.kind, name };
}

/** The object as the requested version shows it. */
export function served(object: JsonObject, kind: Kind, version: string): JsonObject {
  const { kind: _kind, apiVersion: _apiVersion, metadata, ...rest } = object;
  return { kind: kind.kind, apiVersion: groupVersion(kind, version), metadata: metadata ?? {}, ...rest };
}
