/** From a document to a spec that fits its schema, with every default: the first half of parsing all three kinds. */
import { isJsonObject, type JsonObject, objectAt, stringAt } from "../core/kube_object.ts";
import type { CanaryId } from "../core/canary.ts";
import type { Field, ObjectSchema, Schema } from "../schema/schema.ts";
import { listed } from "../schema/nearest.ts";
import { validate } from "../schema/validate.ts";
import { additionsOf, type Annotated, applyAnnotations, strayAnnotations } from "./annotations.ts";
import type { Complaints, SpecDocument } from "./complaints.ts";
import { type Api, APIS } from "./schema_canary.ts";
import { dnsLabel, dnsName } from "./schema_service.ts";

/** Whether an object's group is one whose kinds are read here, whatever the version. */
export function isOurGroup(apiVersion: string): boolean {
  return APIS.some((api) => apiVersion.split("/")[0] === api.split("/")[0]);
}

/** Namespace and name, or null where either cannot be used. */
export function idOf(value: JsonObject): CanaryId | null {
  const namespace = stringAt(value, "metadata", "namespace");
  const name = stringAt(value, "metadata", "name");
  if (namespace === undefined || name === undefined) return null;
  const fits = validate(dnsLabel, namespace).problems.length === 0 && validate(dnsName, name).problems.length === 0;
  return fits ? { namespace, name } : null;
}

/** Complains about a missing or unusable namespace or name. */
export function checkId(document: SpecDocument, complaints: Complaints): void {
  const { value } = document;
  const name = stringAt(value, "metadata", "name");
  if (name === undefined) {
    complaints.error(["metadata", "name"], "Is required, and absent", "Give the object a name");
  } else complaints.problems(validate(dnsName, name, ["metadata", "name"]).problems);
  const namespace = stringAt(value, "metadata", "namespace");
  if (namespace === undefined) {
    complaints.error(
      ["metadata", "namespace"],
      "Is absent: manifests are read as they stand in Git, so a namespace that is added elsewhere is not known",
      'Write "metadata.namespace" into the manifest',
    );
  } else complaints.problems(validate(dnsLabel, namespace, ["metadata", "namespace"]).problems);
}

/** The API that a document is of; null, with a complaint, when its version is not read. */
export function apiOf(document: SpecDocument, complaints: Complaints): Api | null {
  const apiVersion = stringAt(document.value, "apiVersion");
  const api = APIS.find((known) => known === apiVersion);
  if (api !== undefined) return api;
  complaints.error(
    ["apiVersion"],
    `Must be ${listed(APIS)}: current value is "${apiVersion ?? ""}"`,
    `Write "${APIS[0]}"`,
  );
  return null;
}

/** A spec, and where those of its fields were written that stand in annotations. */
export interface ReadSpec {
  readonly spec: JsonObject;
  readonly places: Annotated["places"];
}

/**
 * The spec of a document, checked against the schema of its API group, its annotations put in place.
 *
 * @returns null when there is no spec; where it has errors, which have been added to `complaints`, parts may be missing
 */
export function readSpec(
  document: SpecDocument,
  api: Api,
  schemaOf: (api: Api) => ObjectSchema,
  complaints: Complaints,
): ReadSpec | null {
  const { value } = document;
  const spec = value["spec"];
  for (const key of Object.keys(value)) {
    if (!["apiVersion", "kind", "metadata", "spec", "status"].includes(key)) {
      complaints.error([key], "Is not a field of this kind", 'Remove it, or move it into "spec"');
    }
  }
  if (!isJsonObject(spec)) {
    complaints.error(["spec"], "Is required, and absent", 'Add "spec"');
    return null;
  }
  const whole = schemaOf("serin.dev/v1");
  const additions = additionsOf(whole);
  const checked = validate(schemaOf(api), spec, ["spec"]);
  for (const { path, reason, fix } of checked.problems) {
    const added = api === "serin.dev/v1" ? null : additionAt(whole, path.slice(1));
    if (added === null) complaints.error(path, reason, fix);
    else complaints.error(path, "Is not a field of flagger.app/v1beta1, whose API server would drop it", added);
  }
  if (api === "serin.dev/v1") complaints.problems(strayAnnotations(value, additions));
  if (!isJsonObject(checked.value)) return null;
  if (api === "serin.dev/v1") return { spec: checked.value, places: new Map() };
  const annotated = applyAnnotations(value, checked.value, additions);
  complaints.problems(annotated.problems);
  const complete = validate(whole, annotated.spec, ["spec"]);
  return { spec: objectAt({ spec: complete.value }, "spec"), places: annotated.places };
}

/** What to do about a field that only serin.dev has; null when the path names no such field. */
function additionAt(schema: ObjectSchema, path: readonly (string | number)[]): string | null {
  let here: ObjectSchema | null = schema;
  let annotated = false;
  for (const [index, step] of path.entries()) {
    if (typeof step === "number") continue;
    const entry: Field | undefined = here?.fields[step];
    if (entry === undefined) return null;
    annotated ||= entry.only === "annotation";
    if (index === path.length - 1) {
      if (entry.only === undefined) return null;
      if (!annotated) return 'Remove it, or use "apiVersion: serin.dev/v1"';
      const names = path.map((part) => (typeof part === "number" ? "<name>" : part)).join(".");
      const inner = entry.schema.type === "object" ? ".<field>" : "";
      return `Write it as the annotation "serin.dev/${names}${inner}", or use "apiVersion: serin.dev/v1"`;
    }
    const element: Schema = elementOf(entry.schema);
    here = element.type === "object" ? element : null;
  }
  return null;
}

function elementOf(schema: Schema): Schema {
  if (schema.type === "list") return schema.items;
  return schema.type === "map" ? schema.values : schema;
}
