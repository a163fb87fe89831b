/** A Canary from a named profile of the agent's configuration, for a Deployment that asks for one by annotation. */
import type { Complaint, Manifest } from "../core/catalogue.ts";
import { type JsonObject, stringAt } from "../core/kube_object.ts";
import { listed, nearest } from "../schema/nearest.ts";
import { formatPath } from "../schema/path.ts";
import type { SpecDocument } from "./complaints.ts";
import { PROFILE_ANNOTATION } from "./parse_file.ts";

/** The Canary of a profile, or why there is none. */
export type ProfileResult =
  | { readonly type: "document"; readonly document: SpecDocument }
  | { readonly type: "complaint"; readonly complaint: Complaint };

/** The Canary has the Deployment's name and namespace; lines of complaints are the Deployment's. */
export function profileDocument({ object, place }: Manifest, profiles: ReadonlyMap<string, JsonObject>): ProfileResult {
  const { name, namespace } = object.metadata;
  const profile = stringAt(object, "metadata", "annotations", PROFILE_ANNOTATION) ?? "";
  const complaint = (message: string, fix: string): ProfileResult => ({
    type: "complaint",
    complaint: {
      file: place.file,
      line: place.line,
      field: formatPath(["metadata", "annotations", PROFILE_ANNOTATION]),
      message,
      fix,
      severity: "error",
      canary: namespace === undefined ? null : { namespace, name },
    },
  });
  if (object.kind !== "Deployment" || object.apiVersion !== "apps/v1") {
    return complaint(`Is for Deployments, not for a ${object.kind}`, "Remove it, and write a Canary");
  }
  if (namespace === undefined) {
    return complaint("The Deployment has no namespace", 'Write "metadata.namespace" into the manifest');
  }
  const spec = profiles.get(profile);
  if (spec === undefined) {
    const known = [...profiles.keys()].sort();
    const near = nearest(profile, known);
    const message = `Profile "${profile}" does not exist: ${
      known.length === 0 ? "there is none" : `known are ${listed(known)}`
    }`;
    return complaint(message, near === undefined ? "Name a profile of the agent's configuration" : `Write "${near}"`);
  }
  const value: JsonObject = {
    apiVersion: "serin.dev/v1",
    kind: "Canary",
    metadata: { name, namespace },
    spec: { ...spec, targetRef: { apiVersion: object.apiVersion, kind: object.kind, name } },
  };
  return { type: "document", document: { value, place, lineOf: () => place.line } };
}
