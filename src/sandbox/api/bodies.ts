/** Request bodies as JSON: JSON and YAML are read, everything else is refused with the media types that are known. */
import { parse, YAMLError, YAMLParseError } from "yaml";
import { isJsonObject, type JsonObject } from "../../core/kube_object.ts";
import type { FieldValidation } from "./request_context.ts";
import { badRequest, StatusError } from "./status_error.ts";

export type PatchType = "merge" | "apply";

/** What a PATCH is. Throws 415 on JSON Patch and strategic merge patch, which this server does not do, and on the rest. */
export function patchType(contentType: string, custom = false): PatchType {
  const type = contentType.split(";")[0]?.trim() ?? "";
  if (type === "application/merge-patch+json") return "merge";
  if (type === "application/apply-patch+yaml") return "apply";
  if (custom && type !== "application/json-patch+json") {
    const known = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
    const message = `the body of the request was in an unknown format - accepted media types include: ${known}`;
    throw new StatusError(415, "UnsupportedMediaType", message);
  }
  if (type === "application/json-patch+json" || type === "application/strategic-merge-patch+json") {
    const message =
      `The sandbox does not implement ${type}: use application/merge-patch+json or application/apply-patch+yaml`;
    throw new StatusError(415, "UnsupportedMediaType", message, {});
  }
  throw new StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {});
}

/** The object of a POST or PUT. */
export function objectBody(text: string, contentType: string, kind: string): JsonObject {
  const type = contentType.split(";")[0]?.trim() ?? "";
  if (type !== "" && type !== "application/json" && type !== "application/yaml") {
    const known = "application/json, application/yaml";
    const message = `the body of the request was in an unknown format - accepted media types include: ${known}`;
    throw new StatusError(415, "UnsupportedMediaType", message);
  }
  if (type === "application/yaml") return yamlBody(text, "Warn");
  try {
    const parsed: unknown = JSON.parse(text);
    if (isJsonObject(parsed)) return parsed;
  } catch {
    // Answered below, as the server answers any text that is no object.
  }
  throw badRequest(
    `the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; json parse error: unexpected end of JSON input (${
      text.slice(0, 200)
    })`,
  );
}

/** A merge patch. */
export function mergePatchBody(text: string): JsonObject {
  try {
    const parsed: unknown = JSON.parse(text);
    if (isJsonObject(parsed)) return parsed;
  } catch {
    throw badRequest("error decoding patch: unexpected end of JSON input");
  }
  throw badRequest("error decoding patch: a merge patch must be a JSON object");
}

/** An apply configuration, in YAML or JSON. */
export function yamlBody(text: string, validation: FieldValidation): JsonObject {
  try {
    // JSON is YAML, but its own parser is many times faster. The real server reads YAML 1.1, where "y" is true.
    const parsed: unknown = text.trimStart().startsWith("{")
      ? JSON.parse(text)
      : parse(text, { uniqueKeys: validation === "Strict", version: "1.1" });
    if (isJsonObject(parsed)) return parsed;
  } catch (error) {
    const doubled = error instanceof YAMLParseError && error.code === "DUPLICATE_KEY";
    const how = doubled ? "error strict decoding YAML" : "error decoding YAML";
    if (error instanceof YAMLError || error instanceof SyntaxError) {
      throw badRequest(`${how}: error converting YAML to JSON: yaml: ${error.message}`);
    }
    throw error;
  }
  throw badRequest("error decoding YAML: the document is no object");
}
