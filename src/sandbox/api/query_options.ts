/** The query parameters that every write has, read and checked as the real server checks them. */
import { type FieldProblem, invalid } from "./status_error.ts";
import type { FieldValidation } from "./request_context.ts";

export interface WriteOptions {
  readonly fieldManager: string;
  readonly fieldValidation: FieldValidation;
  readonly dryRun: boolean;
  readonly force: boolean;
}

/** How a request is authored when it names no field manager: by the product in its user agent. */
function managerFromUserAgent(userAgent: string): string {
  return userAgent.split("/")[0]?.slice(0, 128) || "unknown";
}

const levels: readonly string[] = ["", "Ignore", "Strict", "Warn"];

function isLevel(level: string): level is FieldValidation {
  return level !== "" && levels.includes(level);
}

/**
 * Reads the options of a write. Throws 422 about the options object.
 *
 * @param optionsKind "CreateOptions", "UpdateOptions", "PatchOptions" or "DeleteOptions"
 * @param isApply server-side apply: only it may force, and it must name its manager
 */
export function readWriteOptions(
  query: URLSearchParams,
  userAgent: string,
  optionsKind: string,
  isApply: boolean,
): WriteOptions {
  const problems: FieldProblem[] = [];
  const manager = query.get("fieldManager") ?? "";
  const level = query.get("fieldValidation") ?? "";
  const dryRun = query.getAll("dryRun");
  const force = query.get("force") === "true";
  if (query.has("force") && !isApply) {
    problems.push({ type: "Forbidden", field: "force", detail: "may not be specified for non-apply patch" });
  }
  if (isApply && manager === "") {
    problems.push({ type: "Required", field: "fieldManager", detail: "is required for apply patch" });
  }
  if (manager.length > 128) {
    problems.push({ type: "TooLong", field: "fieldManager", detail: "may not be more than 128 bytes" });
  }
  if (dryRun.some((one) => one !== "All" && one !== "")) {
    problems.push({ type: "NotSupported", field: "dryRun", value: dryRun, detail: 'supported values: "All"' });
  }
  if (!levels.includes(level)) {
    const detail = 'supported values: "", "Ignore", "Strict", "Warn"';
    problems.push({ type: "NotSupported", field: "fieldValidation", value: level, detail });
  }
  if (problems.length > 0) {
    throw invalid({ group: "meta.k8s.io", plural: "", kind: optionsKind, name: "" }, problems);
  }
  return {
    fieldManager: manager === "" ? managerFromUserAgent(userAgent) : manager,
    fieldValidation: isLevel(level) ? level : "Warn",
    dryRun: dryRun.includes("All"),
    force,
  };
}
