/** Reads and checks the body of a write before anything is known of the live object. */
import { isJsonObject, type JsonObject, objectAt, stringAt } from "../../core/kube_object.ts";
import { decodeBuiltIn, decodeCustom, type Decoded, type WrongType } from "./decode.ts";
import { builtInDefaults } from "./defaults/mod.ts";
import { withDefaults } from "./custom_resource.ts";
import { withMeta } from "./json_edit.ts";
import { groupVersion, type Kind, kindId } from "./kinds.ts";
import { MICRO_TIME } from "./schema.ts";
import { subjectOf, type WriteRequest } from "./request_context.ts";
import { badRequest, invalid, StatusError } from "./status_error.ts";

/** Decodes the object of a POST or PUT. Throws 400 on another kind, a wrong type, or (Strict) an unknown field. */
export function decodeBody(
  request: WriteRequest,
  body: JsonObject,
): { readonly object: JsonObject; readonly unknown: readonly string[] } {
  checkType(request, body);
  const decoded = decodeFor(request.kind, body);
  const { kind, version } = request;
  const prefix = `${kind.kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind.kind}: `;
  if (decoded.wrongType !== undefined) throw badRequest(prefix + wrongTypeText(kind, decoded.wrongType));
  if (request.fieldValidation === "Strict" && decoded.unknown.length > 0) {
    throw badRequest(`${prefix}strict decoding error: ${decoded.unknown.map(unknownText).join(", ")}`);
  }
  return decoded;
}

function decodeFor(kind: Kind, body: JsonObject): Decoded {
  return kind.custom ? decodeCustom(body, kind.schema) : decodeBuiltIn(body, kind.schema);
}

/** Decodes the result of a patch; complaints are 422 here, and quote the whole object, as the real server does. */
export function decodePatched(
  request: WriteRequest,
  patched: JsonObject,
): { readonly object: JsonObject; readonly unknown: readonly string[] } {
  const decoded = decodeFor(request.kind, patched);
  const complaint = decoded.wrongType !== undefined
    ? wrongTypeText(request.kind, decoded.wrongType)
    : request.fieldValidation === "Strict" && decoded.unknown.length > 0
    ? `strict decoding error: ${decoded.unknown.map(unknownText).join(", ")}`
    : undefined;
  if (complaint !== undefined) throw invalidPatch(patched, complaint);
  return decoded;
}

/** The server's complaint about a patched object names no object. */
export function invalidPatch(patched: JsonObject, complaint: string): StatusError {
  const text = `Invalid value: ${JSON.stringify(JSON.stringify(patched))}: ${complaint}`;
  const cause = { reason: "FieldValueInvalid", message: text, field: "patch" };
  return new StatusError(422, "Invalid", ` "" is invalid: patch: ${text}`, { causes: [cause] });
}

function wrongTypeText(
  kind: Kind,
  wrong: WrongType,
): string {
  if (wrong.wanted === MICRO_TIME) {
    const rest = /(?:\.\d*)?(Z|[+-][\d:]*)?$/.exec(String(wrong.value))?.[0] ?? "";
    const layout = '"2006-01-02T15:04:05.000000Z07:00"';
    return `parsing time ${JSON.stringify(wrong.value)} as ${layout}: cannot parse ${
      JSON.stringify(rest)
    } as ".000000"`;
  }
  const field = wrong.path.replace(/\[\d+\]/g, "");
  const parent = field.startsWith("spec.") && field.split(".").length === 2 ? `${kind.kind}Spec` : kind.kind;
  return `json: cannot unmarshal ${wrong.got} into Go struct field ${parent}.${field} of type ${wrong.wanted}`;
}

export function unknownText(path: string): string {
  return `unknown field ${JSON.stringify(path)}`;
}

function checkType(request: WriteRequest, body: JsonObject): void {
  const { kind, version } = request;
  const gotKind = stringAt(body, "kind");
  const gotVersion = stringAt(body, "apiVersion");
  if (kind.custom && (gotKind === undefined || gotKind === "")) {
    const text = JSON.stringify(body);
    throw badRequest(
      `the object provided is unrecognized (must be of type ${kind.kind}): Object 'Kind' is missing in '${text}' (${text})`,
    );
  }
  const wanted = groupVersion(kind, version);
  const mismatch = (gotKind !== undefined && gotKind !== kind.kind) ||
    (gotVersion !== undefined && gotVersion !== wanted);
  if (!mismatch) return;
  if (kind.custom) {
    const sameKind = gotKind === kind.kind;
    const problem = sameKind
      ? { field: "apiVersion", value: gotVersion ?? "", detail: `must be ${wanted}` }
      : { field: "kind", value: gotKind ?? "", detail: `must be ${kind.kind}` };
    const subject = { ...subjectOf(request, stringAt(body, "metadata", "name") ?? ""), kind: gotKind ?? kind.kind };
    throw invalid(subject, [{ type: "Invalid", ...problem }]);
  }
  const given = (gotVersion ?? wanted).split("/").at(-1) ?? "";
  const group = kind.group === "" ? "v1" : kind.group;
  throw badRequest(
    `${gotKind ?? kind.kind} in version ${JSON.stringify(given)} cannot be handled as a ${kind.kind}: converting (${
      gotVersion ?? wanted
    }.${gotKind ?? kind.kind}) to (${group}.${kind.kind}): unknown conversion`,
  );
}

/** Fills in the namespace of the URL. Throws 400 when the object names another one, or another name. */
export function placed(request: WriteRequest, object: JsonObject): JsonObject {
  const name = stringAt(object, "metadata", "name") ?? "";
  if (request.name !== "" && name !== request.name) {
    throw badRequest(
      name === ""
        ? "name must be provided"
        : `the name of the object (${name}) does not match the name on the URL (${request.name})`,
    );
  }
  const namespace = stringAt(object, "metadata", "namespace") ?? "";
  if (request.kind.namespaced && namespace !== "" && namespace !== request.namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  return request.kind.namespaced ? withMeta(object, { namespace: request.namespace }) : object;
}

/** The object with the defaults of its kind or CRD. */
export function defaulted(kind: Kind, object: JsonObject): JsonObject {
  if (!kind.custom) return builtInDefaults(kindId(kind), object);
  const { metadata, ...body } = object;
  const filled = withDefaults(body, kind.schema);
  return { ...(isJsonObject(filled) ? filled : body), metadata: metadata ?? {} };
}

/** Checks that an apply configuration is of the resource's kind. */
export function checkApplyType(request: WriteRequest, config: JsonObject): void {
  const { kind, version } = request;
  const gotKind = stringAt(config, "kind") ?? "";
  const apiVersion = stringAt(config, "apiVersion") ?? "";
  if (gotKind !== kind.kind || apiVersion !== groupVersion(kind, version)) {
    const slash = apiVersion.indexOf("/");
    const shown = slash < 0 ? `/${apiVersion}` : apiVersion;
    throw badRequest(`invalid object type: ${shown}, Kind=${gotKind}`);
  }
  if (objectAt(config, "metadata")["managedFields"] !== undefined) {
    throw badRequest("metadata.managedFields must be nil");
  }
  const name = stringAt(config, "metadata", "name");
  if (name !== undefined && name !== request.name) {
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${request.name})`);
  }
  const namespace = stringAt(config, "metadata", "namespace");
  if (namespace !== undefined && kind.namespaced && namespace !== request.namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
}

/** Throws 422 when there is something to complain of. */
export function refuseInvalid(request: WriteRequest, name: string, problems: Parameters<typeof invalid>[1]): void {
  if (problems.length > 0) throw invalid(subjectOf(request, name), problems);
}
