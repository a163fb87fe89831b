/** From an HTTP request to an answer: routes, verbs and headers. The work is done by `writes.ts`, `listing.ts` and their like. */
import { type Json, type JsonObject, stringAt } from "../../core/kube_object.ts";
import { mergePatchBody, objectBody, patchType, yamlBody } from "./bodies.ts";
import type { Cluster } from "./cluster.ts";
import { deleteObject, readDeleteOptions } from "./deletion.ts";
import { discovery } from "./discovery.ts";
import { type Kind, kindId } from "./kinds.ts";
import { listObjects, selectsOf } from "./listing.ts";
import type { ResourcePath } from "./paths.ts";
import { kindAt, parsePath } from "./paths.ts";
import { readWriteOptions } from "./query_options.ts";
import { served, subjectOf, type WriteRequest, type WriteResult } from "./request_context.ts";
import { patchScale, putScale, readScale } from "./scale.ts";
import { noSuchResource, notFound, StatusError } from "./status_error.ts";
import { watchStream } from "./watch.ts";

export interface ApiRequest {
  readonly method: string;
  readonly url: URL;
  readonly verb: string;
  readonly userAgent: string;
  readonly contentType: string;
  readonly body: string;
  readonly cutWatchAfterEvents: number | undefined;
}

/** An answer whose body is an object. */
export function jsonResponse(status: number, body: Json, warnings: readonly string[] = []): Response {
  const headers = new Headers({ "content-type": "application/json", "cache-control": "no-cache, private" });
  for (const warning of warnings) headers.append("warning", `299 - ${JSON.stringify(warning)}`);
  return new Response(JSON.stringify(body) + "\n", { status, headers });
}

/** The answer to an error; a retry hint goes into the header as well. */
export function errorResponse(error: StatusError): Response {
  const response = jsonResponse(error.code, error.body());
  const seconds = error.details?.retryAfterSeconds;
  if (seconds !== undefined) response.headers.set("retry-after", String(seconds));
  return response;
}

function textResponse(status: number, text: string): Response {
  return new Response(text, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
}

/** Answers one request. Throws StatusError. */
export function route(cluster: Cluster, request: ApiRequest): Response {
  const { pathname } = request.url;
  if (["/healthz", "/readyz", "/livez"].includes(pathname)) return textResponse(200, "ok");
  const found = discovery(pathname, cluster.kinds, request.url.host);
  if (found !== undefined) return jsonResponse(200, found);
  const path = parsePath(pathname);
  const kind = path === undefined ? undefined : kindAt(path, cluster.kinds);
  if (path === undefined || kind === undefined) return unknownPath(cluster, pathname);
  const wrongScope = kind.namespaced
    ? path.namespace === undefined && path.name !== undefined
    : path.namespace !== undefined;
  if (wrongScope) throw noSuchResource();
  return path.name === undefined
    ? collection(cluster, request, kind, path)
    : path.subresource === undefined
    ? object(cluster, request, kind, path, path.name)
    : subresource(cluster, request, kind, path, path.name);
}

/** Built-in groups say 404 as a Status; a group that exists by CRDs alone, or not at all, as plain text. */
function unknownPath(cluster: Cluster, pathname: string): Response {
  const group = pathname.startsWith("/api/v1/") ? "" : pathname.split("/")[2] ?? "-";
  const builtIn = cluster.kinds.some((kind) => !kind.custom && kind.group === group);
  if (builtIn && (pathname.startsWith("/api/v1/") || pathname.startsWith("/apis/"))) throw noSuchResource();
  return textResponse(404, "404 page not found\n");
}

function methodNotAllowed(): StatusError {
  const message = "the server does not allow this method on the requested resource";
  return new StatusError(405, "MethodNotAllowed", message, {});
}

function writeRequest(
  request: ApiRequest,
  kind: Kind,
  path: ResourcePath,
  options: { readonly kind: string; readonly isApply?: boolean },
): WriteRequest & { readonly force: boolean } {
  const { subresource: sub } = path;
  return {
    kind,
    version: path.version,
    namespace: path.namespace ?? "",
    name: path.name ?? "",
    ...(sub === "status" || sub === "scale" ? { subresource: sub } : {}),
    ...readWriteOptions(request.url.searchParams, request.userAgent, options.kind, options.isApply ?? false),
  };
}

function written(result: WriteResult, request: WriteRequest): Response {
  const warnings = request.fieldValidation === "Ignore" ? [] : result.warnings;
  return jsonResponse(result.created ? 201 : 200, result.object, warnings);
}

function collection(cluster: Cluster, request: ApiRequest, kind: Kind, path: ResourcePath): Response {
  const query = request.url.searchParams;
  switch (request.verb) {
    case "list":
      return jsonResponse(200, listObjects(cluster.store, kind, path.version, path.namespace, query));
    case "watch": {
      const stream = watchStream({
        store: cluster.store,
        clock: cluster.clock,
        kind,
        version: path.version,
        namespace: path.namespace,
        path: request.url.pathname + request.url.search,
        query,
        cutAfterEvents: request.cutWatchAfterEvents,
        open: cluster.watches,
      });
      // Without "no-transform" the runtime would compress, and hold back, the stream.
      const headers = { "content-type": "application/json", "cache-control": "no-cache, private, no-transform" };
      return new Response(stream, { headers });
    }
    case "create": {
      if (kind.namespaced && path.namespace === undefined) throw methodNotAllowed();
      const write = writeRequest(request, kind, path, { kind: "CreateOptions" });
      return written(cluster.writes.create(write, objectBody(request.body, request.contentType, kind.kind)), write);
    }
    case "deletecollection":
      return deleteCollection(cluster, request, kind, path);
    default:
      throw methodNotAllowed();
  }
}

function deleteCollection(cluster: Cluster, request: ApiRequest, kind: Kind, path: ResourcePath): Response {
  const selects = selectsOf(request.url.searchParams, kind);
  const options = readDeleteOptions(deleteBody(request), request.url.searchParams);
  const write = writeRequest(request, kind, path, { kind: "DeleteOptions" });
  const list = listObjects(cluster.store, kind, path.version, path.namespace, request.url.searchParams);
  for (const live of cluster.store.list(kindId(kind), path.namespace).filter(selects)) {
    const name = stringAt(live, "metadata", "name") ?? "";
    const namespace = stringAt(live, "metadata", "namespace") ?? "";
    deleteObject(cluster.store, cluster.clock, { ...write, name, namespace }, options);
  }
  return jsonResponse(200, list);
}

function deleteBody(request: ApiRequest): JsonObject {
  return request.body.trim() === "" ? {} : objectBody(request.body, request.contentType, "DeleteOptions");
}

function object(cluster: Cluster, request: ApiRequest, kind: Kind, path: ResourcePath, name: string): Response {
  switch (request.verb) {
    case "get":
      return jsonResponse(200, readObject(cluster, kind, path, name));
    case "update": {
      const write = writeRequest(request, kind, path, { kind: "UpdateOptions" });
      return written(cluster.writes.update(write, objectBody(request.body, request.contentType, kind.kind)), write);
    }
    case "patch":
      return patch(cluster, request, kind, path);
    case "delete": {
      const options = readDeleteOptions(deleteBody(request), request.url.searchParams);
      const write = writeRequest(request, kind, path, { kind: "DeleteOptions" });
      return jsonResponse(200, deleteObject(cluster.store, cluster.clock, write, options));
    }
    default:
      throw methodNotAllowed();
  }
}

function readObject(cluster: Cluster, kind: Kind, path: ResourcePath, name: string): JsonObject {
  const live = cluster.store.get(kindId(kind), path.namespace ?? "", name);
  if (live === undefined) throw notFound(subjectOf({ kind }, name));
  return served(live, kind, path.version);
}

function patch(cluster: Cluster, request: ApiRequest, kind: Kind, path: ResourcePath): Response {
  const type = patchType(request.contentType, kind.custom);
  const write = writeRequest(request, kind, path, { kind: "PatchOptions", isApply: type === "apply" });
  const result = type === "apply"
    ? cluster.writes.apply(write, yamlBody(request.body, write.fieldValidation), write.force)
    : cluster.writes.mergePatch(write, mergePatchBody(request.body));
  return written(result, write);
}

function subresource(cluster: Cluster, request: ApiRequest, kind: Kind, path: ResourcePath, name: string): Response {
  if (path.subresource === "scale" && kind.scale) return scale(cluster, request, kind, path);
  if (path.subresource !== "status" || !kind.status) throw noSuchResource();
  switch (request.verb) {
    case "get":
      return jsonResponse(200, readObject(cluster, kind, path, name));
    case "update": {
      const write = writeRequest(request, kind, path, { kind: "UpdateOptions" });
      return written(cluster.writes.update(write, objectBody(request.body, request.contentType, kind.kind)), write);
    }
    case "patch":
      return patch(cluster, request, kind, path);
    default:
      throw methodNotAllowed();
  }
}

function scale(cluster: Cluster, request: ApiRequest, kind: Kind, path: ResourcePath): Response {
  const { store, writes } = cluster;
  switch (request.verb) {
    case "get":
      return jsonResponse(200, readScale(store, writeRequest(request, kind, path, { kind: "GetOptions" })));
    case "update": {
      const write = writeRequest(request, kind, path, { kind: "UpdateOptions" });
      return jsonResponse(200, putScale(store, writes, write, objectBody(request.body, request.contentType, "Scale")));
    }
    case "patch": {
      if (patchType(request.contentType) === "apply") {
        const message = "The sandbox does not implement server-side apply on the scale subresource";
        throw new StatusError(415, "UnsupportedMediaType", message, {});
      }
      const write = writeRequest(request, kind, path, { kind: "PatchOptions" });
      return jsonResponse(200, patchScale(store, writes, write, mergePatchBody(request.body)));
    }
    default:
      throw methodNotAllowed();
  }
}
