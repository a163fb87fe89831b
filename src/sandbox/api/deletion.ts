/**
 * DELETE: preconditions, propagation, grace periods of pods, finalizers. What depends on a deleted object is removed by
 * the garbage collector among the controllers, not here.
 */
import type { Clock } from "../../ports/clock.ts";
import { at, type JsonObject, listAt, numberAt, objectAt, stringAt } from "../../core/kube_object.ts";
import { timestamp, withMeta } from "./json_edit.ts";
import { type Kind, kindId } from "./kinds.ts";
import { served, subjectOf, type WriteRequest } from "./request_context.ts";
import { invalid, notFound, qualified, StatusError } from "./status_error.ts";
import type { ObjectStore } from "./store.ts";

/** `DeleteOptions`, from the body or the query. */
export interface DeleteOptions {
  readonly propagationPolicy?: string;
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly dryRun?: boolean;
}

const policies = ["Foreground", "Background", "Orphan"];

/** Reads delete options. Throws 422 on a policy that does not exist. */
export function readDeleteOptions(body: JsonObject, query: URLSearchParams): DeleteOptions {
  const policy = stringAt(body, "propagationPolicy") ?? query.get("propagationPolicy") ?? undefined;
  if (policy !== undefined && !policies.includes(policy)) {
    const subject = { group: "meta.k8s.io", plural: "", kind: "DeleteOptions", name: "" };
    const detail = 'supported values: "Foreground", "Background", "Orphan", "nil"';
    throw invalid(subject, [{ type: "NotSupported", field: "propagationPolicy", value: policy, detail }]);
  }
  const grace = numberAt(body, "gracePeriodSeconds") ??
    (query.has("gracePeriodSeconds") ? Number(query.get("gracePeriodSeconds")) : undefined);
  const uid = stringAt(body, "preconditions", "uid");
  const resourceVersion = stringAt(body, "preconditions", "resourceVersion");
  return {
    dryRun: listAt(body, "dryRun").includes("All") || query.getAll("dryRun").includes("All"),
    ...(policy === undefined ? {} : { propagationPolicy: policy }),
    ...(grace === undefined ? {} : { gracePeriodSeconds: grace }),
    preconditions: {
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
  };
}

/** Removes an object, or marks it as going. Returns the answer's body: the object, or a `Status` that names it. */
export function deleteObject(
  store: ObjectStore,
  clock: Clock,
  request: WriteRequest,
  options: DeleteOptions,
): JsonObject {
  const { kind, namespace, name } = request;
  const { dryRun = false } = options;
  const live = store.get(kindId(kind), namespace, name);
  if (live === undefined) throw notFound(subjectOf(request, name));
  checkPreconditions(request, live, options);
  if (kindId(kind) === "/Namespace") return deleteNamespace(store, clock, { ...request, dryRun }, live);
  const finalizers = wantedFinalizers(live, options.propagationPolicy);
  const grace = gracePeriod(kind, live, options);
  if (finalizers.length === 0 && grace === 0) {
    // A pod always goes through its grace period, be it of no length, and is shown as it was at its end.
    const last = kindId(kind) === "/Pod" ? markGoing(clock, live, [], 0) : live;
    if (!dryRun) store.remove(kindId(kind), last);
    return last === live ? success(kind, live) : served(last, kind, request.version);
  }
  const going = markGoing(clock, live, finalizers, grace);
  const unchanged = going === live;
  const stored = dryRun || unchanged ? going : store.put(kindId(kind), going);
  return served(stored, kind, request.version);
}

function markGoing(clock: Clock, live: JsonObject, finalizers: readonly string[], grace: number): JsonObject {
  const before = stringAt(live, "metadata", "deletionTimestamp");
  const oldGrace = numberAt(live, "metadata", "deletionGracePeriodSeconds");
  // A second DELETE can only shorten the grace period.
  if (before !== undefined && (oldGrace ?? 0) <= grace) return live;
  const generation = numberAt(live, "metadata", "generation");
  return withMeta(live, {
    deletionTimestamp: timestamp(clock.now() + grace * 1000),
    deletionGracePeriodSeconds: grace,
    finalizers: finalizers.length === 0 ? undefined : finalizers,
    generation: generation === undefined || before !== undefined ? generation : generation + 1,
  });
}

function wantedFinalizers(live: JsonObject, policy: string | undefined): readonly string[] {
  const have = listAt(live, "metadata", "finalizers").filter((one) => typeof one === "string");
  const own = policy === "Foreground" ? "foregroundDeletion" : policy === "Orphan" ? "orphan" : undefined;
  return own === undefined || have.includes(own) ? have : [...have, own];
}

/** Only a pod that was started gets time to end. */
function gracePeriod(kind: Kind, live: JsonObject, options: DeleteOptions): number {
  if (kindId(kind) !== "/Pod" || stringAt(live, "spec", "nodeName") === undefined) return 0;
  const phase = stringAt(live, "status", "phase");
  if (phase === "Succeeded" || phase === "Failed") return 0;
  return options.gracePeriodSeconds ?? numberAt(live, "spec", "terminationGracePeriodSeconds") ?? 30;
}

function checkPreconditions(request: WriteRequest, live: JsonObject, options: DeleteOptions): void {
  const { uid, resourceVersion } = options.preconditions ?? {};
  const liveUid = stringAt(live, "metadata", "uid") ?? "";
  const liveVersion = stringAt(live, "metadata", "resourceVersion") ?? "";
  const { kind, name } = request;
  const refuse = (why: string) => {
    const of = qualified({ group: kind.group, plural: kind.kind });
    const details = { name, ...(kind.group === "" ? {} : { group: kind.group }), kind: kind.kind };
    return new StatusError(409, "Conflict", `Operation cannot be fulfilled on ${of} "${name}": ${why}`, details);
  };
  if (uid !== undefined && uid !== liveUid) {
    throw refuse(
      `the UID in the precondition (${uid}) does not match the UID in record (${liveUid}). The object might have been deleted and then recreated`,
    );
  }
  if (resourceVersion !== undefined && resourceVersion !== liveVersion) {
    throw refuse(
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${liveVersion}). The object might have been modified`,
    );
  }
}

const protectedNamespaces = new Set(["default", "kube-system", "kube-public"]);

function deleteNamespace(store: ObjectStore, clock: Clock, request: WriteRequest, live: JsonObject): JsonObject {
  if (protectedNamespaces.has(request.name)) {
    const message = `namespaces "${request.name}" is forbidden: this namespace may not be deleted`;
    throw new StatusError(403, "Forbidden", message, { name: request.name, kind: "namespaces" });
  }
  if (at(live, "metadata", "deletionTimestamp") !== undefined) return served(live, request.kind, request.version);
  const marked = withMeta(live, { deletionTimestamp: timestamp(clock.now()) });
  const going = { ...marked, status: { ...objectAt(live, "status"), phase: "Terminating" } };
  return served(request.dryRun ? going : store.put("/Namespace", going), request.kind, request.version);
}

function success(kind: Kind, live: JsonObject): JsonObject {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: {
      name: stringAt(live, "metadata", "name") ?? "",
      ...(kind.group === "" ? {} : { group: kind.group }),
      kind: kind.plural,
      uid: stringAt(live, "metadata", "uid") ?? "",
    },
  };
}
