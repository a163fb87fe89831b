/** LIST: selectors, pages that all show one version, and the resourceVersion rules of the real server. */
import { isJsonObject, type JsonObject, objectAt, stringAt } from "../../core/kube_object.ts";
import { groupVersion, type Kind, kindId } from "./kinds.ts";
import { parseFieldSelector, parseLabelSelector } from "./selectors.ts";
import { badRequest, expired, ExpiredPageError, invalid, StatusError } from "./status_error.ts";
import type { ObjectStore } from "./store.ts";

/** What a list or watch selects. */
export type Selects = (object: JsonObject) => boolean;

/** The selectors of a query. Throws 400 on one that cannot be parsed. */
export function selectsOf(query: URLSearchParams, kind: Kind): Selects {
  const byLabel = parseLabelSelector(query.get("labelSelector") ?? "");
  const byField = parseFieldSelector(query.get("fieldSelector") ?? "", kindId(kind));
  return (object) => byLabel(objectAt(object, "metadata", "labels")) && byField(object);
}

/** Version of a token that goes on with the list as it is now. */
const NOW = -1;

interface Continue {
  readonly version: number;
  /** "namespace/name" of the last object shown. */
  readonly after: string;
}

function readContinue(token: string): Continue {
  try {
    const parsed: unknown = JSON.parse(atob(token));
    if (isJsonObject(parsed) && typeof parsed["rv"] === "number" && typeof parsed["start"] === "string") {
      return { version: parsed["rv"], after: parsed["start"] };
    }
  } catch {
    // Whatever is wrong with it, the token is not ours.
  }
  throw badRequest("invalid continue token: continue key is not valid");
}

function writeContinue({ version, after }: Continue): string {
  return btoa(JSON.stringify({ v: "meta.k8s.io/v1", rv: version, start: after }));
}

function keyOf(object: JsonObject): string {
  return `${stringAt(object, "metadata", "namespace") ?? ""}/${stringAt(object, "metadata", "name") ?? ""}`;
}

/** Reads a resourceVersion from a query; undefined when none was asked for. */
export function readVersion(query: URLSearchParams): number | undefined {
  const text = query.get("resourceVersion") ?? "";
  if (text === "") return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  throw badRequest(
    `invalid resource version: resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${
      JSON.stringify(text)
    }: invalid syntax`,
  );
}

/** Throws 504 for a version that does not exist yet. */
export function refuseFuture(version: number, store: ObjectStore): void {
  if (version <= store.resourceVersion) return;
  const cause = { reason: "ResourceVersionTooLarge", message: "Too large resource version" };
  const message = `Timeout: Too large resource version: ${version}, current: ${store.resourceVersion}`;
  throw new StatusError(504, "Timeout", message, { causes: [cause], retryAfterSeconds: 1 });
}

/** Answers a LIST. */
export function listObjects(
  store: ObjectStore,
  kind: Kind,
  version: string,
  namespace: string | undefined,
  query: URLSearchParams,
): JsonObject {
  refuseMatch(query);
  const selects = selectsOf(query, kind);
  const token = query.get("continue") ?? "";
  const from = token === "" ? undefined : readContinue(token);
  const limit = Number(query.get("limit") ?? 0);
  const asked = readVersion(query);
  if (asked !== undefined) refuseFuture(asked, store);
  const exact = query.get("resourceVersionMatch") === "Exact" ? asked : undefined;
  const given = from?.version ?? exact ?? NOW;
  const at = given === NOW ? store.resourceVersion : given;
  const all = store.listAt(kindId(kind), namespace, at);
  if (all === undefined) throw tooOld(from, exact);
  const rest = all.filter((object) => selects(object) && (from === undefined || keyOf(object) > from.after));
  const page = limit > 0 ? rest.slice(0, limit) : rest;
  const last = page.at(-1);
  const more = page.length < rest.length && last !== undefined
    ? {
      continue: writeContinue({ version: at, after: keyOf(last) }),
      // The count of what is left is not known where a selector hides some of it.
      ...(query.get("labelSelector") || query.get("fieldSelector")
        ? {}
        : { remainingItemCount: rest.length - page.length }),
    }
    : undefined;
  const unpaged = kind.custom && more === undefined ? { continue: "" } : {};
  return {
    kind: `${kind.kind}List`,
    apiVersion: groupVersion(kind, version),
    metadata: { resourceVersion: String(at), ...unpaged, ...more },
    items: page.map((object) => listItem(object, kind, version)),
  };
}

/** A match rule needs something to match. */
function refuseMatch(query: URLSearchParams): void {
  if (!query.get("resourceVersionMatch") || query.get("resourceVersion")) return;
  const detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
  const subject = { group: "meta.k8s.io", plural: "", kind: "ListOptions", name: "" };
  throw invalid(subject, [{ type: "Forbidden", field: "resourceVersionMatch", detail }]);
}

/** Items of a built-in list carry no kind; those of a custom resource do. */
function listItem(object: JsonObject, kind: Kind, version: string): JsonObject {
  const { kind: _kind, apiVersion: _apiVersion, ...rest } = object;
  return kind.custom ? { ...rest, kind: kind.kind, apiVersion: groupVersion(kind, version) } : rest;
}

function tooOld(from: Continue | undefined, exact: number | undefined): StatusError {
  if (from === undefined) return expired(`The resourceVersion for the provided list is too old: ${exact ?? 0}`);
  return new ExpiredPageError(writeContinue({ version: NOW, after: from.after }));
}
