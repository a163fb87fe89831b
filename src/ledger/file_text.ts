/**
 * The text of the two files the agent keeps in Git: a header that other engines and people understand, then one YAML
 * object. The same content always gives the same bytes, whatever order its keys were made in. Knows neither file's fields.
 */
import { Document, parseDocument, visit } from "yaml";
import type { CanaryId } from "../core/canary.ts";
import { isJsonObject, type Json, type JsonObject } from "../core/kube_object.ts";
import { LOCAL_CONFIG_ANNOTATION } from "../core/names.ts";
import { readPlainObject } from "../schema/plain_yaml.ts";
import { oneLine } from "./trailers.ts";

export const LEDGER_API_VERSION = "serin.dev/v1";

/**
 * Makes Argo CD's directory source leave the file alone. It has to stand in the file; the first line is the safe place.
 * @see Argo CD, directory applications, skipping file rendering
 */
const SKIP_RENDERING = "# +argocd:skip-file-rendering";

/** Keys of Kubernetes objects that people expect first. */
const FIRST_KEYS: readonly string[] = ["apiVersion", "kind", "metadata", "name"];

/**
 * One file of the ledger.
 *
 * @param about what the file is, for whoever opens it: lines without "#"
 * @param body the object's fields after its metadata, in the order they should stand
 */
export function ledgerText(kind: string, id: CanaryId, text: {
  readonly about: readonly string[];
  readonly body: Readonly<Record<string, unknown>>;
}): string {
  const object = {
    apiVersion: LEDGER_API_VERSION,
    kind,
    metadata: { name: id.name, namespace: id.namespace, annotations: { [LOCAL_CONFIG_ANNOTATION]: "true" } },
    ...text.body,
  };
  const document = new Document(object, { aliasDuplicateObjects: false, compat: "yaml-1.1" });
  visit(document, {
    Scalar: (_key, scalar) => {
      // As a block, which the library would write, lines of spaces are read back as empty ones.
      if (typeof scalar.value === "string" && /^\s+$/.test(scalar.value)) scalar.type = "QUOTE_DOUBLE";
    },
  });
  const header = [SKIP_RENDERING, ...text.about.map((line) => `# ${oneLine(line)}`)].join("\n");
  return `${header}\n${document.toString({ lineWidth: 0 })}`;
}

/** The same value with its keys in a fixed order, at every depth; lists stay as they are. */
export function inFixedOrder(value: Json | undefined): Json {
  if (Array.isArray(value)) return value.map((item: Json) => inFixedOrder(item));
  if (!isJsonObject(value)) return value ?? null;
  const keys = Object.keys(value).filter((key) => value[key] !== undefined).sort(byRankThenName);
  return Object.fromEntries(keys.map((key) => [key, inFixedOrder(value[key])]));
}

function byRankThenName(a: string, b: string): number {
  const [rankA, rankB] = [rankOf(a), rankOf(b)];
  if (rankA !== rankB) return rankA - rankB;
  return a < b ? -1 : a > b ? 1 : 0;
}

function rankOf(key: string): number {
  const rank = FIRST_KEYS.indexOf(key);
  return rank < 0 ? FIRST_KEYS.length : rank;
}

/** What a ledger file parsed to, before its fields are read. */
export type LedgerObject =
  | { readonly type: "read"; readonly object: JsonObject }
  | { readonly type: "broken"; readonly reason: string };

/** Parses the text of a ledger file and checks that it is the kind of object that belongs there. */
export function parseLedgerText(kind: string, text: string): LedgerObject {
  const object = readPlainObject(text) ?? parsed(text);
  if (object instanceof NotYaml) return { type: "broken", reason: `not valid YAML: ${object.message}` };
  if (!isJsonObject(object)) return { type: "broken", reason: "the file holds no object" };
  const { apiVersion, kind: found } = object;
  if (apiVersion !== LEDGER_API_VERSION || found !== kind) {
    const what = `${String(apiVersion)} ${String(found)}`;
    return { type: "broken", reason: `expected ${LEDGER_API_VERSION} ${kind}: found ${what}` };
  }
  return { type: "read", object };
}

class NotYaml extends Error {}

function parsed(text: string): unknown {
  const document = parseDocument(text, { prettyErrors: true });
  const problem = document.errors[0];
  return problem === undefined ? document.toJS() : new NotYaml(firstLine(problem.message));
}

function firstLine(text: string): string {
  return text.split("\n")[0]?.replace(/:$/, "") ?? text;
}

/** Epoch milliseconds as RFC 3339 in UTC, milliseconds only where there are any. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}

/** Epoch milliseconds of an RFC 3339 text, or undefined where it is none. */
export function timeOf(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
