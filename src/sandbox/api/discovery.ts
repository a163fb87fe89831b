/** Discovery: what this server speaks, in the shapes that clients read before they use a kind. */
import type { Json, JsonObject } from "../../core/kube_object.ts";
import { groupVersion, type Kind } from "./kinds.ts";

/** The Kubernetes release whose behaviour is followed. */
export const serverVersion: JsonObject = {
  major: "1",
  minor: "36",
  emulationMajor: "1",
  emulationMinor: "36",
  minCompatibilityMajor: "1",
  minCompatibilityMinor: "35",
  gitVersion: "v1.36.1",
  gitCommit: "",
  gitTreeState: "",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "",
  compiler: "",
  platform: "sandbox",
};

/** The answer to a discovery path; undefined when the path is not one. */
export function discovery(path: string, kinds: readonly Kind[], host: string): JsonObject | undefined {
  const parts = path.split("/").filter((part) => part !== "");
  const [root, group, version] = parts;
  if (path === "/version") return serverVersion;
  if (root === "api" && parts.length === 1) {
    const addresses = [{ clientCIDR: "0.0.0.0/0", serverAddress: host }];
    return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: addresses };
  }
  if (root === "api" && parts.length === 2 && group === "v1") return resourceList("", "v1", kinds);
  if (root !== "apis") return undefined;
  const groups = [...new Set(kinds.map((kind) => kind.group))].filter((name) => name !== "");
  if (parts.length === 1) {
    return { kind: "APIGroupList", apiVersion: "v1", groups: groups.map((name) => groupOf(name, kinds)) };
  }
  if (group === undefined || !groups.includes(group)) return undefined;
  if (parts.length === 2) return { kind: "APIGroup", apiVersion: "v1", ...groupOf(group, kinds) };
  if (parts.length !== 3 || version === undefined) return undefined;
  const served = kinds.some((kind) => kind.group === group && kind.versions.includes(version));
  return served ? resourceList(group, version, kinds) : undefined;
}

function groupOf(name: string, kinds: readonly Kind[]): JsonObject {
  const versions = [...new Set(kinds.filter((kind) => kind.group === name).flatMap((kind) => kind.versions))]
    .map((version) => ({ groupVersion: `${name}/${version}`, version }));
  const [preferred] = versions;
  return { name, versions, ...(preferred === undefined ? {} : { preferredVersion: preferred }) };
}

function resourceList(group: string, version: string, kinds: readonly Kind[]): JsonObject {
  const resources = kinds
    .filter((kind) => kind.group === group && kind.versions.includes(version))
    .flatMap((kind): readonly Json[] => [
      {
        name: kind.plural,
        singularName: kind.kind.toLowerCase(),
        namespaced: kind.namespaced,
        kind: kind.kind,
        verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
      },
      ...(kind.scale ? [scaleResource(kind)] : []),
      ...(kind.status ? [subresource(kind, "status")] : []),
    ]);
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion: groupVersion({ group }, version), resources };
}

function subresource(kind: Kind, name: string): JsonObject {
  return {
    name: `${kind.plural}/${name}`,
    singularName: "",
    namespaced: kind.namespaced,
    kind: kind.kind,
    verbs: ["get", "patch", "update"],
  };
}

function scaleResource(kind: Kind): JsonObject {
  return { ...subresource(kind, "scale"), group: "autoscaling", version: "v1", kind: "Scale" };
}
