/** Validation that every object gets: its name, labels, annotations, and what may not change once it exists. */
import { at, type Json, type JsonObject, objectAt, stringAt } from "../../../core/kube_object.ts";
import type { FieldProblem } from "../status_error.ts";
import { sameJson } from "../typed_merge.ts";

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const serviceName = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const qualifiedName = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

const subdomainText =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const dnsLabelText =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const serviceText =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const qualifiedText =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const labelValueText =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** How a kind's names must look. */
function nameProblem(id: string, name: string): string | undefined {
  if (id === "/Service" && !serviceName.test(name)) return serviceText;
  if (id === "/Namespace" && !dnsLabel.test(name)) return dnsLabelText;
  const long = id === "/Service" || id === "/Namespace" ? 63 : 253;
  if (name.length > long) return `must be no more than ${long} characters`;
  return subdomain.test(name) ? undefined : subdomainText;
}

/** Complaints about `metadata` of a new or changed object. */
export function metadataProblems(id: string, object: JsonObject): readonly FieldProblem[] {
  const metadata = objectAt(object, "metadata");
  const name = stringAt(metadata, "name") ?? "";
  const found: FieldProblem[] = [];
  if (name === "") {
    return [{ type: "Required", field: "metadata.name", detail: "name or generateName is required" }];
  }
  const problem = nameProblem(id, name);
  if (problem !== undefined) found.push({ type: "Invalid", field: "metadata.name", value: name, detail: problem });
  found.push(...labelProblems(objectAt(metadata, "labels"), "metadata.labels"));
  for (const key of Object.keys(objectAt(metadata, "annotations"))) {
    const detail = keyProblem(key.toLowerCase());
    if (detail !== undefined) found.push({ type: "Invalid", field: "metadata.annotations", value: key, detail });
  }
  for (const [index, owner] of ownersOf(metadata).entries()) {
    for (const field of ["apiVersion", "kind", "name", "uid"]) {
      if (stringAt(owner, field)) continue;
      // The server shows the empty value although it words it as an invalid one.
      const value = stringAt(owner, field) ?? "";
      found.push({
        type: "Invalid",
        field: `metadata.ownerReferences[${index}].${field}`,
        value,
        detail: "must not be empty",
      });
    }
  }
  return found;
}

function ownersOf(metadata: JsonObject): readonly Json[] {
  const owners = at(metadata, "ownerReferences");
  return Array.isArray(owners) ? owners : [];
}

/** Complaints about a map of labels. */
export function labelProblems(labels: JsonObject, field: string): readonly FieldProblem[] {
  return Object.entries(labels).sort(([a], [b]) => a < b ? -1 : 1).flatMap(([key, value]) => {
    const found: FieldProblem[] = [];
    const detail = keyProblem(key);
    if (detail !== undefined) found.push({ type: "Invalid", field, value: key, detail });
    const text = String(value);
    if (text.length > 63) {
      found.push({ type: "Invalid", field, value: text, detail: "must be no more than 63 bytes" });
    } else if (!labelValue.test(text)) found.push({ type: "Invalid", field, value: text, detail: labelValueText });
    return found;
  });
}

function keyProblem(key: string): string | undefined {
  const parts = key.split("/");
  const name = parts.at(-1) ?? "";
  if (parts.length > 2) {
    return "a valid label key must consist of alphanumeric characters, '-', '_' or '.', with an optional DNS subdomain prefix and '/'";
  }
  if (name.length > 63) return "name part must be no more than 63 bytes";
  if (!qualifiedName.test(name)) return qualifiedText;
  const prefix = parts.length === 2 ? parts[0] ?? "" : undefined;
  return prefix === undefined || subdomain.test(prefix) ? undefined : `prefix part ${subdomainText}`;
}

/** Fields of `metadata` that an update may not change. */
export function metadataUpdateProblems(before: JsonObject, after: JsonObject): readonly FieldProblem[] {
  const finalizers = at(after, "metadata", "finalizers");
  const had = at(before, "metadata", "finalizers");
  const deleting = stringAt(before, "metadata", "deletionTimestamp") !== undefined;
  const added = Array.isArray(finalizers)
    ? finalizers.filter((one) => !(Array.isArray(had) && had.some((old) => sameJson(old, one))))
    : [];
  if (!deleting || added.length === 0) return [];
  const detail = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${
    added.map((one) => JSON.stringify(one)).join(", ")
  }}`;
  return [{ type: "Forbidden", field: "metadata.finalizers", detail }];
}
