/** What a URL of the API means: which kind, which object, which verb. */
import type { Kind } from "./kinds.ts";

export interface ResourcePath {
  readonly group: string;
  readonly version: string;
  /** Absent for all namespaces and for cluster-scoped kinds. */
  readonly namespace: string | undefined;
  readonly plural: string;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

/** Reads `/api/v1/…` and `/apis/<group>/<version>/…`; undefined for any other path. */
export function parsePath(pathname: string): ResourcePath | undefined {
  const parts = pathname.split("/").filter((part) => part !== "").map(decodeURIComponent);
  const core = parts[0] === "api";
  if (!core && parts[0] !== "apis") return undefined;
  const group = core ? "" : parts[1];
  const version = parts[core ? 1 : 2];
  const rest = parts.slice(core ? 2 : 3);
  if (group === undefined || version === undefined || rest.length === 0) return undefined;
  // `/api/v1/namespaces/x/status` is about the namespace; any longer path with that prefix is about what is in it.
  const inNamespace = rest[0] === "namespaces" && rest.length > 2 &&
    !(core && ["status", "finalize"].includes(rest[2] ?? ""));
  const [plural, name, subresource, ...more] = inNamespace ? rest.slice(2) : rest;
  if (plural === undefined || more.length > 0) return undefined;
  return { group, version, namespace: inNamespace ? rest[1] : undefined, plural, name, subresource };
}

/** The verb as authorization and audit logs name it. */
export function verbOf(method: string, path: ResourcePath | undefined, query: URLSearchParams): string {
  if (path === undefined) return method.toLowerCase();
  const one = path.name !== undefined;
  switch (method) {
    case "GET":
    case "HEAD":
      return ["true", "1"].includes(query.get("watch") ?? "") && !one ? "watch" : one ? "get" : "list";
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return one ? "delete" : "deletecollection";
    default:
      return method.toLowerCase();
  }
}

/** The kind that a path addresses. */
export function kindAt(path: ResourcePath, kinds: readonly Kind[]): Kind | undefined {
  return kinds.find((kind) =>
    kind.group === path.group && kind.plural === path.plural && kind.versions.includes(path.version)
  );
}
