/**
 * The answers a Kubernetes API server gives when it does not do what it was asked: `Status` objects, with the reasons,
 * details and wording of the real server, since clients (and our own messages) show them.
 */
import type { Json, JsonObject } from "../../core/kube_object.ts";

export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  readonly field?: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

/** Thrown by everything below the router, which turns it into the HTTP answer. */
export class StatusError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;

  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(message);
    this.name = "StatusError";
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  /** The `Status` object as on the wire. */
  body(): JsonObject {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      ...(this.reason === "" ? {} : { reason: this.reason }),
      ...(this.details === undefined ? {} : { details: detailsJson(this.details) }),
      code: this.code,
    };
  }
}

function detailsJson(details: StatusDetails): JsonObject {
  const { causes, ...rest } = details;
  const plain: Record<string, Json> = { ...rest };
  if (causes !== undefined) plain["causes"] = causes.map((cause) => ({ ...cause }));
  return plain;
}

/** Where an error belongs: the resource's plural and group as in a URL, and the object's name. */
export interface ErrorSubject {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
  readonly name: string;
}

/** "deployments.apps", or "pods" in the core group. */
export function qualified(subject: { readonly group: string; readonly plural: string }): string {
  return subject.group === "" ? subject.plural : `${subject.plural}.${subject.group}`;
}

function resourceDetails(subject: ErrorSubject): StatusDetails {
  return { name: subject.name, ...(subject.group === "" ? {} : { group: subject.group }), kind: subject.plural };
}

export function notFound(subject: ErrorSubject): StatusError {
  const message = `${qualified(subject)} "${subject.name}" not found`;
  return new StatusError(404, "NotFound", message, resourceDetails(subject));
}

/** What the server says of a path or kind that it does not serve. */
export function noSuchResource(): StatusError {
  return new StatusError(404, "NotFound", "the server could not find the requested resource", {});
}

export function alreadyExists(subject: ErrorSubject): StatusError {
  const message = `${qualified(subject)} "${subject.name}" already exists`;
  return new StatusError(409, "AlreadyExists", message, resourceDetails(subject));
}

/** A write that was made for another version of the object. */
export function staleVersion(subject: ErrorSubject): StatusError {
  return conflict(
    subject,
    "the object has been modified; please apply your changes to the latest version and try again",
  );
}

export function conflict(subject: ErrorSubject, why: string): StatusError {
  const message = `Operation cannot be fulfilled on ${qualified(subject)} "${subject.name}": ${why}`;
  return new StatusError(409, "Conflict", message, resourceDetails(subject));
}

export function badRequest(message: string): StatusError {
  return new StatusError(400, "BadRequest", message);
}

export function expired(message: string): StatusError {
  return new StatusError(410, "Expired", message);
}

/** A page of a list that can no longer be shown as it was; the token shows the rest as it is now. */
export class ExpiredPageError extends StatusError {
  readonly #continue: string;

  constructor(restart: string) {
    super(
      410,
      "Expired",
      "The provided continue parameter is too old to display a consistent list result. You can start a new list " +
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the " +
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, " +
        "modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    );
    this.#continue = restart;
  }

  override body(): JsonObject {
    return { ...super.body(), metadata: { continue: this.#continue } };
  }
}

/** One complaint of validation, worded as apimachinery's `field.Error` words it. */
export interface FieldProblem {
  readonly type:
    | "Required"
    | "Invalid"
    | "NotSupported"
    | "Duplicate"
    | "NotFound"
    | "Forbidden"
    | "TooLong"
    | "TypeInvalid"
    | "TooMany";
  readonly field: string;
  /** The value that is complained of; not shown for Required, Forbidden. */
  readonly value?: Json;
  readonly detail: string;
}

const problemWords = {
  Required: ["FieldValueRequired", "Required value"],
  Invalid: ["FieldValueInvalid", "Invalid value"],
  NotSupported: ["FieldValueNotSupported", "Unsupported value"],
  Duplicate: ["FieldValueDuplicate", "Duplicate value"],
  NotFound: ["FieldValueNotFound", "Not found"],
  Forbidden: ["FieldValueForbidden", "Forbidden"],
  TooLong: ["FieldValueTooLong", "Too long"],
  TooMany: ["FieldValueTooMany", "Too many"],
  TypeInvalid: ["FieldValueTypeInvalid", "Invalid value"],
} as const satisfies Readonly<Record<FieldProblem["type"], readonly [string, string]>>;

function problemText(problem: FieldProblem): string {
  const [, word] = problemWords[problem.type];
  const silent = problem.value === undefined || ["Required", "Forbidden", "TooLong"].includes(problem.type);
  const shown = silent ? word : `${word}: ${shownValue(problem.value ?? null)}`;
  return problem.detail === "" ? shown : `${shown}: ${problem.detail}`;
}

/** Scalars as Go prints them; objects as JSON. */
function shownValue(value: Json): string {
  return typeof value === "number" || typeof value === "boolean" ? String(value) : JSON.stringify(value);
}

/** 422 with one cause a problem. */
export function invalid(subject: ErrorSubject, problems: readonly FieldProblem[]): StatusError {
  const texts = [...new Set(problems.map((problem) => `${problem.field}: ${problemText(problem)}`))];
  const joined = texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
  const causes = problems.map((problem) => ({
    reason: problemWords[problem.type][0],
    message: problemText(problem),
    field: problem.field,
  }));
  const message = `${subject.kind}${
    subject.group === "" ? "" : `.${subject.group}`
  } "${subject.name}" is invalid: ${joined}`;
  return new StatusError(422, "Invalid", message, {
    ...(subject.name === "" ? {} : { name: subject.name }),
    ...(subject.group === "" ? {} : { group: subject.group }),
    kind: subject.kind,
    causes,
  });
}
