/**
 * What all objects that the agent derives have in common: their labels, whose they are, which keys of the user's
 * metadata they must not carry, and when a live object already says what is wanted. Pure; used by the object adapters.
 */
import type { Canary } from "../src/core/canary.ts";
import { isJsonObject, type Json, type KubeObject, listAt, refKey, refOf, stringAt } from "../src/core/kube_object.ts";
import { CANARY_LABEL, FLUX_RECONCILE_ANNOTATION, MANAGED_BY_LABEL, MANAGER } from "../src/core/names.ts";
import { ForeignError } from "../src/errors.ts";

/** Tells Flux's kustomize-controller and helm-controller to leave an object alone. */
export const LEAVE_ALONE: Readonly<Record<string, string>> = {
  "helm.toolkit.fluxcd.io/driftDetection": "disabled",
  [FLUX_RECONCILE_ANNOTATION]: "disabled",
};

/** A user's consent that the agent takes over an object it did not make. */
export const ADOPT_ANNOTATION = "serin.dev/adopt";

/**
 * Whose a live object is. "new": there is none. "ours": made by the agent for this canary. "adopted": the user's, taken
 * over before. "flagger": made by Flagger for the Canary of this name. "user": anybody else's.
 */
export type Ownership = "new" | "ours" | "adopted" | "flagger" | "user";

/**
 * @throws {ForeignError} the object belongs to another canary, of the agent or of Flagger
 */
export function ownershipOf(canary: Pick<Canary, "id">, live: KubeObject | undefined): Ownership {
  if (live === undefined) return "new";
  const labels = live.metadata.labels ?? {};
  const holder = labels[CANARY_LABEL];
  if (holder !== undefined && holder !== canary.id.name) throw foreign(live, `canary "${holder}"`, undefined);
  if (holder !== undefined) return labels[MANAGED_BY_LABEL] === MANAGER ? "ours" : "adopted";
  const owner = flaggerOwner(live);
  if (owner !== undefined && owner !== canary.id.name) throw foreign(live, `Flagger's Canary "${owner}"`, undefined);
  if (owner !== undefined || labels[MANAGED_BY_LABEL] === "flagger") return "flagger";
  return "user";
}

/**
 * As `ownershipOf`, but a user's object may be taken only with the annotation `serin.dev/adopt: "true"`.
 * @throws {ForeignError} it may not be taken; `fix` says how it could
 */
export function claim(canary: Pick<Canary, "id">, live: KubeObject | undefined): Ownership {
  const ownership = ownershipOf(canary, live);
  if (live === undefined || ownership !== "user") return ownership;
  if (live.metadata.annotations?.[ADOPT_ANNOTATION] === "true") return ownership;
  const fix = `Delete or rename it, or annotate it with ${ADOPT_ANNOTATION}: "true" to let the agent take it over`;
  throw foreign(live, "the user", fix);
}

/** Name of the Flagger Canary that an owner reference names, or undefined. */
function flaggerOwner(live: KubeObject): string | undefined {
  const owner = listAt(live, "metadata", "ownerReferences").find((reference) =>
    stringAt(reference, "kind") === "Canary" && (stringAt(reference, "apiVersion") ?? "").startsWith("flagger.app/")
  );
  return stringAt(owner, "name");
}

function foreign(live: KubeObject, owner: string, fix: string | undefined): ForeignError {
  return new ForeignError(`Cannot write "${refKey(refOf(live))}": it belongs to ${owner}`, {
    ...(fix === undefined ? {} : { fix }),
    data: { object: refKey(refOf(live)), owner },
  });
}

/**
 * Labels of an object of ours. One that the user made keeps its own managed-by label, so that a hand-back can tell what
 * may be deleted.
 */
export function derivedLabels(
  canary: Pick<Canary, "id">,
  ownership: Ownership = "new",
): Readonly<Record<string, string>> {
  const users = ownership === "user" || ownership === "adopted";
  return { ...(users ? {} : { [MANAGED_BY_LABEL]: MANAGER }), [CANARY_LABEL]: canary.id.name };
}

const ENGINE_DOMAINS = ["toolkit.fluxcd.io", "argocd.argoproj.io"];
const OBJECT_DOMAINS = [...ENGINE_DOMAINS, "helm.sh", "config.kubernetes.io", "serin.dev", "flagger.app"];
const OBJECT_KEYS: readonly string[] = [
  "kubectl.kubernetes.io/last-applied-configuration",
  "deployment.kubernetes.io/revision",
  // Argo CD's default tracking label: an object that carries it belongs to the application, and is pruned with it.
  "app.kubernetes.io/instance",
  MANAGED_BY_LABEL,
];

function inDomain(key: string, domains: readonly string[]): boolean {
  const domain = key.split("/")[0] ?? "";
  return key.includes("/") && domains.some((known) => domain === known || domain.endsWith(`.${known}`));
}

/** A user's labels or annotations as a derived object may carry them: nothing by which an engine knows its own. */
export function objectMetadata(map: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> {
  return filtered(map, (key) => !inDomain(key, OBJECT_DOMAINS) && !OBJECT_KEYS.includes(key));
}

/** The same for pods, which engines do not track: a label that a user's selector may name stays. */
export function podMetadata(map: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> {
  return filtered(map, (key) => !inDomain(key, [...ENGINE_DOMAINS, "serin.dev"]) && key !== "flagger-id");
}

function filtered(
  map: Readonly<Record<string, string>> | undefined,
  keep: (key: string) => boolean,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(map ?? {}).filter(([key]) => keep(key)));
}

/** A map with its keys in order, so that what is rendered reads the same whatever it was made from. */
export function sorted<T>(map: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Whether `live` says all that `wanted` says. Maps may hold more; lists must be as long, and each item is compared the
 * same way, so that defaults of a server's newer version are no difference.
 */
export function covers(live: Json | undefined, wanted: Json): boolean {
  if (Array.isArray(wanted)) {
    return Array.isArray(live) && live.length === wanted.length &&
      wanted.every((item, index) => covers(live[index], item));
  }
  if (isJsonObject(wanted)) {
    return isJsonObject(live) && Object.entries(wanted).every(([key, value]) => covers(live[key], value));
  }
  return live === wanted;
}

/** An object as JSON to be compared; `undefined` parts left out. */
export function asJson(object: KubeObject): Json {
  return JSON.parse(JSON.stringify(object));
}
