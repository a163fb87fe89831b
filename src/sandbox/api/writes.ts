/**
 * Create, replace, merge patch and server-side apply: the path of a write from body to store. Who may write what is in
 * `prepare.ts`, ownership in `ownership.ts`, deletion in `deletion.ts`.
 */
import type { Clock } from "../../ports/clock.ts";
import { at, isJsonObject, type JsonObject, listAt, objectAt, stringAt } from "../../core/kube_object.ts";
import { checkApplyType, decodeBody, decodePatched, defaulted, placed, refuseInvalid, unknownText } from "./body.ts";
import { applyProblem, decodeBuiltIn, decodeCustom } from "./decode.ts";
import { decodeFields, emptySet, type FieldSet } from "./field_set.ts";
import { mergePatch, timestamp, withMeta } from "./json_edit.ts";
import { groupVersion, type Kind, kindId } from "./kinds.ts";
import { type Owner, readOwners, writeOwners, type Writer } from "./managed_fields.ts";
import { apply as applyOwned, type OwnershipContext, updateOwners } from "./ownership.ts";
import { prepareCreate, prepareUpdate, withGeneration } from "./prepare.ts";
import { served, subjectOf, type WriteRequest, type WriteResult } from "./request_context.ts";
import {
  alreadyExists,
  badRequest,
  conflict,
  type FieldProblem,
  invalid,
  notFound,
  staleVersion,
  StatusError,
} from "./status_error.ts";
import type { ObjectStore } from "./store.ts";
import { sameJson } from "./typed_merge.ts";
import { problemsOf, statusProblems } from "./validation/mod.ts";

/** Fields that an endpoint cannot change, and that its writers therefore never own. */
function resetFields(kind: Kind, subresource: string | undefined): FieldSet {
  if (subresource === "status") {
    return decodeFields(kind.custom ? { "f:metadata": {}, "f:spec": {} } : { "f:spec": {} });
  }
  return kind.status ? decodeFields({ "f:status": {} }) : emptySet;
}

export class Writes {
  readonly #store: ObjectStore;
  readonly #clock: Clock;

  constructor(store: ObjectStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** POST. */
  create(request: WriteRequest, body: JsonObject): WriteResult {
    const decoded = decodeBody(request, body);
    if (stringAt(decoded.object, "metadata", "resourceVersion") !== undefined) {
      throw badRequest("resourceVersion should not be set on objects to be created");
    }
    const named = withName(placed({ ...request, name: "" }, decoded.object), this.#clock);
    const object = defaulted(request.kind, stripServerFields(named));
    const owners = updateOwners({ object: request.kind.zero, owners: [] }, object, this.#ownership(request, "Update"));
    return this.#insert(request, object, owners, decoded.unknown.map(unknownText));
  }

  /** PUT, of the object or its status. */
  update(request: WriteRequest, body: JsonObject): WriteResult {
    const decoded = decodeBody(request, body);
    const object = placed(request, decoded.object);
    if (needsVersion(request.kind) && stringAt(object, "metadata", "resourceVersion") === undefined) {
      const problem: FieldProblem = {
        type: "Invalid",
        field: "metadata.resourceVersion",
        value: 0,
        detail: "must be specified for an update",
      };
      // The server names the resource, not the kind, in this one complaint.
      throw invalid({ ...subjectOf(request, request.name), kind: request.kind.plural }, [problem]);
    }
    if (madeByUpdate(request.kind) && this.#find(request) === undefined) {
      return this.create(request, withMeta(body, { resourceVersion: undefined }));
    }
    const live = this.#live(request);
    return this.#replace(request, live, object, decoded.unknown.map(unknownText));
  }

  /** PATCH with `application/merge-patch+json`, of the object or its status. */
  mergePatch(request: WriteRequest, patch: JsonObject): WriteResult {
    const live = this.#live(request);
    const patched = mergePatch(served(live, request.kind, request.version), patch);
    const { object, unknown } = decodePatched(request, isJsonObject(patched) ? patched : {});
    return this.#replace(request, live, placed(request, object), unknown.map(unknownText));
  }

  /** PATCH with `application/apply-patch+yaml`. Creates what is not there, whatever its precondition says. */
  apply(request: WriteRequest, config: JsonObject, force: boolean): WriteResult {
    checkApplyType(request, config);
    const { kind } = request;
    const place = { name: request.name, ...(kind.namespaced ? { namespace: request.namespace } : {}) };
    const named = stored(kind, withMeta(config, place));
    const live = this.#store.get(kindId(kind), request.namespace, request.name);
    if (live === undefined && request.subresource !== undefined) throw notFound(subjectOf(request, request.name));
    const problem = applyProblem(config, kind.schema);
    if (problem !== undefined) {
      // An undeclared field is an internal error to the real server, too.
      const where = `${stringAt(config, "metadata", "namespace") ?? ""}/${stringAt(config, "metadata", "name") ?? ""}`;
      const type = `${kind.group}/${request.version}, Kind=${kind.kind}`;
      throw new StatusError(500, "", `failed to create typed patch object (${where}; ${type}): ${problem}`);
    }
    const context = { ...this.#ownership(request, "Apply"), force };
    if (live === undefined) {
      const uid = stringAt(config, "metadata", "uid");
      if (uid !== undefined) {
        const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
        throw conflict(subjectOf(request, request.name), why);
      }
      const applied = applyOwned({ object: { metadata: objectAt(named, "metadata") }, owners: [] }, named, context);
      return this.#insert(
        request,
        defaulted(kind, stripServerFields(this.#decoded(kind, applied.object))),
        applied.owners,
        [],
      );
    }
    refuseInvalid(request, request.name, foreignUid(config, live));
    const before = { object: bare(live), owners: readOwners(objectAt(live, "metadata")) };
    const version = at(named, "metadata", "resourceVersion");
    const result = applyOwned(before, withMeta(named, { resourceVersion: undefined }), context);
    const object = defaulted(kind, this.#decoded(kind, result.object));
    const fenced = version === undefined ? object : withMeta(object, { resourceVersion: version });
    return this.#replace(request, live, fenced, [], result.owners);
  }

  #decoded(kind: Kind, object: JsonObject): JsonObject {
    return (kind.custom ? decodeCustom(object, kind.schema) : decodeBuiltIn(object, kind.schema)).object;
  }

  #find(request: WriteRequest): JsonObject | undefined {
    return this.#store.get(kindId(request.kind), request.namespace, request.name);
  }

  #live(request: WriteRequest): JsonObject {
    const live = this.#find(request);
    if (live === undefined) throw notFound(subjectOf(request, request.name));
    return live;
  }

  #ownership(request: WriteRequest, operation: Writer["operation"]): OwnershipContext {
    const { subresource } = request;
    const writer: Writer = {
      manager: request.fieldManager,
      operation,
      apiVersion: groupVersion(request.kind, request.version),
      ...(subresource === undefined ? {} : { subresource }),
      // The real server records no time for writers of the scale subresource.
      ...(subresource === "scale" ? {} : { time: timestamp(this.#clock.now()) }),
    };
    return { schema: request.kind.schema, writer, reset: resetFields(request.kind, subresource) };
  }

  #insert(
    request: WriteRequest,
    object: JsonObject,
    owners: readonly Owner[],
    warnings: readonly string[],
  ): WriteResult {
    const { kind, namespace } = request;
    const name = stringAt(object, "metadata", "name") ?? "";
    if (kind.namespaced) checkNamespace(request, name, this.#store);
    const prepared = withGeneration(kind, undefined, prepareCreate(kind, stored(kind, object), this.#store));
    const stamped = withMeta(prepared, {
      uid: uuid(this.#clock),
      creationTimestamp: timestamp(this.#clock.now()),
      managedFields: owners.length === 0 ? undefined : writeOwners(owners),
    });
    refuseInvalid(request, name, problemsOf(kind, stamped, undefined));
    if (this.#store.get(kindId(kind), namespace, name) !== undefined) throw alreadyExists(subjectOf(request, name));
    const written = request.dryRun ? stamped : this.#store.put(kindId(kind), stamped);
    return { object: served(written, kind, request.version), created: true, warnings };
  }

  #replace(
    request: WriteRequest,
    live: JsonObject,
    given: JsonObject,
    warnings: readonly string[],
    applied?: readonly Owner[],
  ): WriteResult {
    const { kind } = request;
    checkPreconditions(request, live, given);
    const after = withMeta(stored(kind, defaulted(kind, given)), {
      managedFields: undefined,
      resourceVersion: undefined,
    });
    const object = withGeneration(kind, live, prepareUpdate(kind, live, after, request.subresource));
    const next = withMeta(object, { managedFields: undefined, resourceVersion: undefined });
    const before = { object: bare(live), owners: readOwners(objectAt(live, "metadata")) };
    const owners = applied ?? updateOwners(before, next, this.#ownership(request, "Update"));
    const problems = request.subresource === "status" ? statusProblems(kind, next) : problemsOf(kind, next, live);
    refuseInvalid(request, request.name, problems);
    const stamped = withMeta(next, {
      managedFields: owners.length === 0 ? undefined : writeOwners(owners),
      resourceVersion: stringAt(live, "metadata", "resourceVersion"),
    });
    const written = this.#settle(kind, live, stamped, request.dryRun);
    return { object: served(written, kind, request.version), created: false, warnings };
  }

  /** Writes what differs; an object whose last finalizer went is gone. */
  #settle(kind: Kind, live: JsonObject, next: JsonObject, dryRun: boolean): JsonObject {
    const going = stringAt(next, "metadata", "deletionTimestamp") !== undefined &&
      at(next, "metadata", "deletionGracePeriodSeconds") === 0;
    if (going && listAt(next, "metadata", "finalizers").length === 0) {
      if (!dryRun) this.#store.remove(kindId(kind), next);
      return next;
    }
    if (sameJson(withoutTimes(live), withoutTimes(next))) return live;
    return dryRun ? next : this.#store.put(kindId(kind), next);
  }
}

/** Kinds that are only replaced on a version, and so never by mistake. */
function needsVersion(kind: Kind): boolean {
  return kind.custom || kindId(kind) === "coordination.k8s.io/Lease";
}

/** Kinds that a PUT makes where they are not there. */
function madeByUpdate(kind: Kind): boolean {
  return kindId(kind) === "coordination.k8s.io/Lease" || kind.plural === "events";
}

/** The object as the store keeps it: with its kind, in the preferred version. */
function stored(kind: Kind, object: JsonObject): JsonObject {
  return served(object, kind, kind.versions[0] ?? "v1");
}

/** The live object as ownership sees it. */
function bare(object: JsonObject): JsonObject {
  return withMeta(object, { managedFields: undefined, resourceVersion: undefined });
}

/** A write that only moves the time of an owner is no write. */
function withoutTimes(object: JsonObject): JsonObject {
  const entries = listAt(object, "metadata", "managedFields").map((entry) => {
    const { time: _time, ...untimed } = objectAt(entry);
    return untimed;
  });
  return withMeta(object, { managedFields: entries });
}

function checkPreconditions(request: WriteRequest, live: JsonObject, given: JsonObject): void {
  const subject = subjectOf(request, request.name);
  const version = stringAt(given, "metadata", "resourceVersion");
  if (version !== undefined && version !== stringAt(live, "metadata", "resourceVersion")) throw staleVersion(subject);
  const uid = stringAt(given, "metadata", "uid");
  const liveUid = stringAt(live, "metadata", "uid");
  if (uid === undefined || uid === liveUid) return;
  const key = `/registry/${
    request.kind.custom ? `${request.kind.group}/` : ""
  }${request.kind.plural}/${request.namespace}/${request.name}`;
  const what = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${liveUid ?? ""}`;
  const error = `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: ${what}`;
  throw conflict(subject, error);
}

/** An apply for another object of the same name; the real server complains twice. */
function foreignUid(config: JsonObject, live: JsonObject): readonly FieldProblem[] {
  const value = stringAt(config, "metadata", "uid");
  if (value === undefined || value === stringAt(live, "metadata", "uid")) return [];
  const problem: FieldProblem = { type: "Invalid", field: "metadata.uid", value, detail: "field is immutable" };
  return [problem, problem];
}

function checkNamespace(request: WriteRequest, name: string, store: ObjectStore): void {
  const namespace = store.get("/Namespace", "", request.namespace);
  if (namespace === undefined) {
    throw notFound({ group: "", plural: "namespaces", kind: "Namespace", name: request.namespace });
  }
  if (stringAt(namespace, "metadata", "deletionTimestamp") === undefined) return;
  const { plural, group } = request.kind;
  const why = `unable to create new content in namespace ${request.namespace} because it is being terminated`;
  const of = group === "" ? plural : `${plural}.${group}`;
  const message = `namespace ${request.namespace} is being terminated`;
  throw new StatusError(403, "Forbidden", `${of} "${name}" is forbidden: ${why}`, {
    name,
    ...(group === "" ? {} : { group }),
    kind: plural,
    causes: [{ reason: "NamespaceTerminating", message, field: "metadata.namespace" }],
  });
}

function stripServerFields(object: JsonObject): JsonObject {
  return withMeta(object, {
    uid: undefined,
    resourceVersion: undefined,
    creationTimestamp: undefined,
    generation: undefined,
    deletionTimestamp: undefined,
    deletionGracePeriodSeconds: undefined,
    managedFields: undefined,
    selfLink: undefined,
  });
}

const nameLetters = "bcdfghjklmnpqrstvwxz2456789";

/** A few letters for generated names, from the alphabet the real server uses. */
export function randomSuffix(clock: Clock, length = 5): string {
  return Array.from({ length }, () => nameLetters[Math.floor(clock.random() * nameLetters.length)]).join("");
}

function withName(object: JsonObject, clock: Clock): JsonObject {
  const prefix = stringAt(object, "metadata", "generateName");
  if (prefix === undefined || stringAt(object, "metadata", "name") !== undefined) return object;
  return withMeta(object, { name: prefix.slice(0, 58) + randomSuffix(clock) });
}

function uuid(clock: Clock): string {
  const hex = Array.from({ length: 32 }, () => Math.floor(clock.random() * 16).toString(16)).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}
