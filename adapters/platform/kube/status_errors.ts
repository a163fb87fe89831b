/**
 * What an API server's answer means, as one of the agent's errors. Pure: takes the status code and the body, which is
 * usually a `Status` object, but may be a proxy's HTML page.
 */
import { type Json, listAt, numberAt, stringAt } from "../../../src/core/kube_object.ts";
import { ConflictError, ForeignError, RejectedError, type SerinError, UnavailableError } from "../../../src/errors.ts";

/** A version or a continue token that the server has forgotten (410): list again. */
export class ExpiredError extends UnavailableError {}

/** The object that was to be changed is gone (404): read again, decide again. */
export class NotFoundError extends ConflictError {}

/** An answer longer than we are ready to hold. */
export class TooLargeError extends UnavailableError {}

/** What was asked, in the words of RBAC. */
export interface Asked {
  readonly verb: string;
  /** With its group and subresource: "configmaps", "deployments.apps/scale". */
  readonly resource: string;
  readonly namespace?: string;
  readonly name?: string;
}

/** What came back. `body` is the parsed `Status` where it is JSON, else the text. */
export interface BadAnswer {
  readonly status: number;
  readonly body: Json;
  readonly retryAfterMs?: number;
}

/** "Cannot patch deployments.apps "prod/shop"", the start of every message. */
export function cannot(asked: Asked): string {
  const { verb, resource, namespace, name } = asked;
  if (name === undefined && namespace === undefined) return `Cannot ${verb} ${resource}`;
  return `Cannot ${verb} ${resource} "${[namespace, name].filter((part) => part !== undefined).join("/")}"`;
}

/** The error for an answer that is not 2xx. */
export function errorFromAnswer(asked: Asked, answer: BadAnswer): SerinError {
  const { status } = answer;
  const data = { status, verb: asked.verb, resource: asked.resource, reason: stringAt(answer.body, "reason") ?? "" };
  const says = `${cannot(asked)}: ${messageOf(answer)}`;
  switch (status) {
    case 401:
      return new RejectedError(says, { data, fix: "Check the token or the client certificate that the agent uses" });
    case 403:
      return new RejectedError(says, { data, fix: grantFix(asked) });
    case 404:
      return missing(asked, answer, says, data);
    case 409:
      return conflict(asked, answer, says, data);
    case 410:
      return new ExpiredError(says, { data });
    case 400:
    case 422:
      return invalid(asked, answer, data);
    default:
      if (status === 500 && REFUSED_APPLY.test(messageOf(answer))) {
        return new RejectedError(says, { data, fix: "Check the field against the schema that this server has" });
      }
      return status === 408 || status === 429 || status >= 500
        ? new UnavailableError(says, { data, ...retryAfter(answer) })
        : new RejectedError(says, { data });
  }
}

/** Servers, also new ones, call an applied field that is not in the schema an internal error. It is not one. */
const REFUSED_APPLY = /failed to create typed patch object|field not declared in schema/;

/** The error for a watch event of type ERROR, which carries a `Status`. */
export function errorFromWatchEvent(asked: Asked, status: Json): SerinError {
  return errorFromAnswer(asked, { status: numberAt(status, "code") ?? 500, body: status });
}

/** Retry-After as servers send it, in whole seconds; a date is not understood and left out. */
export function retryAfterMs(header: string | null): number | undefined {
  return header !== null && /^\d{1,6}$/.test(header.trim()) ? Number(header) * 1000 : undefined;
}

function retryAfter(answer: BadAnswer): { readonly retryAfterMs?: number } {
  if (answer.retryAfterMs !== undefined) return { retryAfterMs: answer.retryAfterMs };
  const seconds = numberAt(answer.body, "details", "retryAfterSeconds");
  return seconds === undefined || seconds <= 0 ? {} : { retryAfterMs: seconds * 1000 };
}

function missing(
  asked: Asked,
  answer: BadAnswer,
  says: string,
  data: Readonly<Record<string, unknown>>,
): SerinError {
  if (stringAt(answer.body, "details", "kind") === "namespaces" && asked.resource !== "namespaces") {
    return new RejectedError(says, { data, fix: `Create the namespace "${asked.namespace ?? ""}"` });
  }
  switch (asked.verb) {
    case "list":
    case "watch":
      return new RejectedError(`Cannot ${asked.verb} ${asked.resource}: it is not served: install its CRD`, {
        data,
        fix: `Install the CustomResourceDefinition of "${asked.resource}"`,
      });
    case "create":
      return new RejectedError(says, { data, fix: "Create the namespace, or install the CustomResourceDefinition" });
    default:
      return new NotFoundError(says, { data });
  }
}

function conflict(
  asked: Asked,
  answer: BadAnswer,
  says: string,
  data: Readonly<Record<string, unknown>>,
): SerinError {
  const conflicts = listAt(answer.body, "details", "causes")
    .filter((cause) => stringAt(cause, "reason") === "FieldManagerConflict")
    .map((cause) => ({
      field: stringAt(cause, "field") ?? "?",
      manager: /conflict with "((?:[^"\\]|\\.)*)"/.exec(stringAt(cause, "message") ?? "")?.[1] ?? "?",
    }));
  if (conflicts.length === 0) return new ConflictError(says, { data });
  const owned = conflicts.map(({ field, manager }) => `field "${field}" is owned by "${manager}"`).join(", ");
  return new ForeignError(`${cannot(asked)}: ${owned}`, {
    data: { ...data, conflicts },
    fix: "Take the field out of what that manager applies, so that one of the two owns it",
  });
}

function invalid(asked: Asked, answer: BadAnswer, data: Readonly<Record<string, unknown>>): SerinError {
  const causes = listAt(answer.body, "details", "causes").map((cause) => ({
    field: stringAt(cause, "field") ?? "",
    message: stringAt(cause, "message") ?? stringAt(cause, "reason") ?? "",
  }));
  if (causes.length === 0) return new RejectedError(`${cannot(asked)}: ${messageOf(answer)}`, { data });
  const complaints = causes.map(({ field, message }) => field === "" ? message : `${field}: ${message}`).join("; ");
  return new RejectedError(`${cannot(asked)}: ${complaints}`, { data: { ...data, causes } });
}

function grantFix(asked: Asked): string {
  if (asked.resource === "discovery" || asked.resource === "version") {
    return 'Bind the ClusterRole "system:discovery" to the agent';
  }
  const [resource, subresource] = asked.resource.split("/");
  const [plural, ...group] = (resource ?? "").split(".");
  const where = asked.namespace === undefined ? "in the whole cluster" : `in namespace "${asked.namespace}"`;
  const what = subresource === undefined ? `${plural}` : `${plural}/${subresource}`;
  return `Grant the verb "${asked.verb}" on "${what}" of API group "${group.join(".")}" to the agent ${where}`;
}

/** The server's own words, cut to one readable line. */
function messageOf(answer: BadAnswer): string {
  const said = stringAt(answer.body, "message") ?? (typeof answer.body === "string" ? plain(answer.body) : "");
  return said === "" ? `the server answers ${answer.status}` : `${said} (${answer.status})`;
}

function plain(text: string): string {
  return text.replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ").trim().slice(0, 200);
}
